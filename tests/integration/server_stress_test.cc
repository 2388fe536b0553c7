// Many streams at once: readers that do not read, streams that break, batches sent twice.
#include <set>
#include <thread>

#include "tests/integration/server_harness.h"

namespace filesync {
namespace {

class ServerStressTest : public testing::Test {
 protected:
  // 1,000 symlinks with long targets: some 3 MiB to send.
  v1::Commit LargeCommit(uint64_t batch) {
    v1::Commit commit;
    commit.set_batch(batch);
    for (int i = 0; i < 900; ++i) {
      v1::Entry entry;
      entry.set_path("s" + std::to_string(batch) + "-" + std::to_string(i));
      entry.set_type(v1::ENTRY_TYPE_SYMLINK);
      entry.set_symlink_target(std::string(4000, 't'));
      *commit.add_changes() = ChangeOf(entry);
    }
    return commit;
  }

  TemporaryDirectory directory_;
  ServerHarness harness_{directory_.path()};
};

TEST_F(ServerStressTest, ReaderThatDoesNotReadHoldsUpNobodyAndCanBeReplaced) {
  RawStream stuck(harness_.Connect(), AgentId('s'));
  ASSERT_TRUE(stuck.Hello("work").has_value());
  RawStream writer(harness_.Connect(), AgentId('w'));
  RawStream reader(harness_.Connect(), AgentId('r'));
  ASSERT_TRUE(writer.Hello("work").has_value());
  ASSERT_TRUE(reader.Hello("work").has_value());
  uint64_t head = 0;
  for (uint64_t batch = 1; batch <= 12; ++batch) {
    const auto result = writer.Commit(LargeCommit(batch));
    ASSERT_TRUE(result.has_value());
    head = result->head_version();
  }
  EXPECT_EQ(reader.ReadThrough(head).size(), 12 * 900);

  RawStream again(harness_.Connect(), AgentId('s'));
  ASSERT_TRUE(again.Hello("work").has_value());
  EXPECT_EQ(again.ReadThrough(head).size(), 12 * 900);
  const grpc::StatusCode ended = stuck.DrainToEnd().error_code();
  EXPECT_TRUE(ended == grpc::ABORTED || ended == grpc::CANCELLED) << ended;
  // A stuck reader does not hold up the stop either.
  RawStream stuck_again(harness_.Connect(), AgentId('t'));
  ASSERT_TRUE(stuck_again.Hello("work").has_value());
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(harness_.server().Stop(absl::ZeroDuration(), absl::Seconds(2)).ok());
  EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
}

// One agent: commits its directories one by one, and breaks its stream after some of them, at
// times before the answer came; the batch is then sent again.
void CommitWithBreaks(const ServerHarness& harness, char agent, int commits) {
  std::unique_ptr<RawStream> stream;
  for (int i = 1; i <= commits;) {
    if (stream == nullptr) {
      stream = std::make_unique<RawStream>(harness.Connect(), AgentId(agent));
      ASSERT_TRUE(stream->Hello("work").has_value());
    }
    v1::SyncRequest request;
    *request.mutable_commit() =
        CommitOf(i, {ChangeOf(DirectoryEntry(std::string(1, agent) + std::to_string(i)))});
    ASSERT_TRUE(stream->Write(request));
    if (i % 7 == 0) {
      // Broken with the answer on its way; a second one without waiting for its end.
      stream = std::make_unique<RawStream>(harness.Connect(), AgentId(agent));
      ASSERT_TRUE(stream->Hello("work").has_value());
      ASSERT_TRUE(stream->Write(request));
    }
    const auto result = stream->ReadCommitResult();
    ASSERT_TRUE(result.has_value());
    ASSERT_TRUE(result->outcomes(0).has_accepted()) << result->ShortDebugString();
    ++i;
    if (i % 11 == 0) stream.reset();
  }
}

TEST_F(ServerStressTest, BrokenStreamsAndRepeatedBatchesLeaveOneOfEach) {
  constexpr int kCommits = 40;
  std::vector<std::thread> agents;
  for (const char agent : {'a', 'b', 'c', 'd', 'e', 'f'}) {
    agents.emplace_back([this, agent] { CommitWithBreaks(harness_, agent, kCommits); });
  }
  for (std::thread& agent : agents) agent.join();

  RawStream reader(harness_.Connect(), AgentId('z'));
  const auto welcome = reader.Hello("work");
  ASSERT_TRUE(welcome.has_value());
  std::set<std::string> paths;
  uint64_t last = 0;
  for (const v1::Entry& entry : reader.ReadThrough(welcome->head_version())) {
    EXPECT_GT(entry.version(), last);
    last = entry.version();
    EXPECT_TRUE(paths.insert(entry.path()).second) << entry.path();
  }
  EXPECT_EQ(paths.size(), 6 * kCommits);
}

TEST_F(ServerStressTest, CallsThatAreCutOffLeaveNothingBehind) {
  const std::shared_ptr<grpc::Channel> channel = harness_.Connect();
  uint64_t folder = 0;
  {
    RawStream stream(channel, AgentId('a'));
    folder = stream.Hello("work")->folder_id();
  }
  const auto chunks = v1::ChunkService::NewStub(channel);
  const auto admin = v1::AdminService::NewStub(channel);
  for (int i = 0; i < 60; ++i) {
    grpc::ClientContext upload_context;
    const auto upload = chunks->UploadChunks(&upload_context);
    v1::UploadChunksRequest load;
    load.set_folder_id(folder);
    load.set_agent_id(AgentId('a'));
    for (int k = 1; k <= i % 4; ++k) {
      load.set_sequence(k);
      load.clear_chunks();
      *load.add_chunks() = Pack(std::string(100'000, static_cast<char>(i)) + std::to_string(k));
      upload->Write(load);
    }
    grpc::ClientContext watch_context;
    v1::WatchEventsRequest watch;
    watch.set_folder("work");
    const auto events = admin->WatchEvents(&watch_context, watch);
    grpc::ClientContext sync_context;
    const auto sync = v1::SyncService::NewStub(channel)->Sync(&sync_context);
    upload_context.TryCancel();
    watch_context.TryCancel();
    sync_context.TryCancel();
    EXPECT_FALSE(upload->Finish().ok());
    EXPECT_FALSE(events->Finish().ok());
    EXPECT_FALSE(sync->Finish().ok());
  }
  RawStream stream(channel, AgentId('a'));
  EXPECT_TRUE(stream.Hello("work").has_value());
  EXPECT_TRUE(stream.Commit(CommitOf(1, {ChangeOf(DirectoryEntry("d"))})).has_value());
  EXPECT_TRUE(harness_.server().Stop(absl::ZeroDuration(), absl::Seconds(10)).ok());
}

}  // namespace
}  // namespace filesync
