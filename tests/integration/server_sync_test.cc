// The Sync stream as a client sees it: greeting, commits and their answers, fan-out.
#include "tests/integration/server_harness.h"

namespace filesync {
namespace {

class ServerSyncTest : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  ServerHarness harness_{directory_.path()};
};

TEST_F(ServerSyncTest, WelcomeTellsFolderHistoryAndLimits) {
  RawStream stream(harness_.Connect(), AgentId('a'));
  const auto welcome = stream.Hello("work");
  ASSERT_TRUE(welcome.has_value());
  EXPECT_EQ(welcome->protocol(), 1);
  EXPECT_GT(welcome->folder_id(), 0);
  EXPECT_EQ(welcome->server_id().size(), 16);
  ASSERT_EQ(welcome->incarnations_size(), 1);
  EXPECT_EQ(welcome->incarnations(0).id().size(), 16);
  EXPECT_TRUE(welcome->cursor_known());
  EXPECT_EQ(welcome->last_batch(), 0);
  EXPECT_EQ(welcome->limits().changes_per_message(), 1000);
  EXPECT_EQ(welcome->limits().message_bytes(), 4 << 20);
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(ServerSyncTest, UnknownFolderIsNotFoundUnlessItMayBeMade) {
  RawStream stream(harness_.Connect(), AgentId('a'));
  EXPECT_FALSE(stream.Hello("nowhere", {}, /*create=*/false).has_value());
  const grpc::Status status = stream.DrainToEnd();
  EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);
  EXPECT_NE(status.error_message().find("nowhere"), std::string::npos);
}

TEST_F(ServerSyncTest, FirstMessageMustBeHelloAndOnlyTheFirst) {
  RawStream early(harness_.Connect(), AgentId('a'));
  v1::SyncRequest commit;
  *commit.mutable_commit() = CommitOf(1, {});
  early.Write(commit);
  EXPECT_EQ(early.DrainToEnd().error_code(), grpc::INVALID_ARGUMENT);

  RawStream twice(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(twice.Hello("work").has_value());
  EXPECT_FALSE(twice.Hello("work").has_value());
  EXPECT_EQ(twice.DrainToEnd().error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(ServerSyncTest, MalformedHelloIsRefused) {
  for (const std::string& id : {std::string(), std::string(15, 'a'), std::string(17, 'a')}) {
    RawStream stream(harness_.Connect(), id.empty() ? "" : id);
    EXPECT_FALSE(stream.Hello("work").has_value());
    EXPECT_EQ(stream.DrainToEnd().error_code(), grpc::INVALID_ARGUMENT) << id.size();
  }
  RawStream stream(harness_.Connect(), AgentId('a'));
  EXPECT_FALSE(stream.Hello("a\nb").has_value());
  EXPECT_EQ(stream.DrainToEnd().error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(ServerSyncTest, SmallSaveIsCommittedWithItsContent) {
  RawStream stream(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  const auto result =
      stream.Commit(CommitOf(1, {ChangeOf(FileEntry("a.txt", {"hello"}))}, {"hello"}));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->batch(), 1);
  ASSERT_EQ(result->outcomes_size(), 1);
  ASSERT_TRUE(result->outcomes(0).has_accepted()) << result->ShortDebugString();
  EXPECT_EQ(result->outcomes(0).accepted().version(), result->head_version());
}

TEST_F(ServerSyncTest, RepeatedBatchGetsTheSameAnswer) {
  const v1::Commit commit = CommitOf(7, {ChangeOf(FileEntry("a", {"x"}))}, {"x"});
  RawStream stream(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  const auto first = stream.Commit(commit);
  const auto again = stream.Commit(commit);
  ASSERT_TRUE(first.has_value() && again.has_value());
  EXPECT_EQ(first->SerializeAsString(), again->SerializeAsString());

  harness_.Restart();
  RawStream after(harness_.Connect(), AgentId('a'));
  const auto welcome = after.Hello("work");
  ASSERT_TRUE(welcome.has_value());
  EXPECT_EQ(welcome->last_batch(), 7);
  const auto later = after.Commit(commit);
  ASSERT_TRUE(later.has_value());
  EXPECT_EQ(first->outcomes(0).SerializeAsString(), later->outcomes(0).SerializeAsString());
}

TEST_F(ServerSyncTest, StaleBaseIsSupersededByWhatStandsThere) {
  RawStream stream(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  const auto first = stream.Commit(CommitOf(1, {ChangeOf(FileEntry("a", {"one"}))}, {"one"}));
  const auto second = stream.Commit(CommitOf(2, {ChangeOf(FileEntry("a", {"two"}))}, {"two"}));
  ASSERT_TRUE(first.has_value() && second.has_value());
  ASSERT_TRUE(second->outcomes(0).has_superseded());
  const v1::Entry& current = second->outcomes(0).superseded().current();
  EXPECT_EQ(current.version(), first->outcomes(0).accepted().version());
  EXPECT_EQ(current.author(), AgentId('a'));
  EXPECT_EQ(current.content().size(), 3);
  EXPECT_EQ(second->head_version(), first->head_version());
}

TEST_F(ServerSyncTest, ContentThatWasNeverUploadedIsMissing) {
  RawStream stream(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  const auto result = stream.Commit(CommitOf(1, {ChangeOf(FileEntry("a", {"never sent"}))}));
  ASSERT_TRUE(result.has_value());
  ASSERT_TRUE(result->outcomes(0).has_missing_chunks());
  ASSERT_EQ(result->outcomes(0).missing_chunks().ids_size(), 1);
  EXPECT_EQ(result->outcomes(0).missing_chunks().ids(0), Pack("never sent").id());
  EXPECT_EQ(result->head_version(), 0);
}

TEST_F(ServerSyncTest, EntryWithoutItsDirectoryIsRejected) {
  RawStream stream(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  const auto result = stream.Commit(CommitOf(1, {ChangeOf(DirectoryEntry("no/where"))}));
  ASSERT_TRUE(result.has_value());
  ASSERT_TRUE(result->outcomes(0).has_rejected());
  EXPECT_EQ(result->outcomes(0).rejected().reason(), v1::REJECT_REASON_PARENT_MISSING);
  EXPECT_FALSE(result->outcomes(0).rejected().message().empty());
}

TEST_F(ServerSyncTest, MalformedEntriesEndTheStreamAndLeaveNothing) {
  std::vector<v1::Entry> bad;
  for (const std::string& path :
       {std::string("../up"), std::string("a/../b"), std::string("a//b"), std::string("/root"),
        std::string("a\0b", 3), std::string(".syncagent/state.db"), std::string("d/.SyncAgent"),
        std::string("."), std::string(""), std::string(300, 'n'), std::string("a/")}) {
    bad.push_back(DirectoryEntry(path));
  }
  v1::Entry setuid = DirectoryEntry("setuid");
  setuid.set_mode(04755);
  v1::Entry untyped = DirectoryEntry("untyped");
  untyped.set_type(v1::ENTRY_TYPE_UNSPECIFIED);
  v1::Entry long_target = DirectoryEntry("link");
  long_target.set_type(v1::ENTRY_TYPE_SYMLINK);
  long_target.set_symlink_target(std::string(4096, 't'));
  v1::Entry short_id = FileEntry("short", {"x"});
  short_id.mutable_content()->mutable_refs(0)->set_id("short");
  v1::Entry wrong_sum = FileEntry("sum", {"x"});
  wrong_sum.mutable_content()->set_size(99);
  for (const v1::Entry& entry : {setuid, untyped, long_target, short_id, wrong_sum}) {
    bad.push_back(entry);
  }
  for (const v1::Entry& entry : bad) {
    RawStream stream(harness_.Connect(), AgentId('a'));
    ASSERT_TRUE(stream.Hello("work").has_value());
    EXPECT_FALSE(stream.Commit(CommitOf(1, {ChangeOf(DirectoryEntry("good")), ChangeOf(entry)}))
                     .has_value());
    EXPECT_EQ(stream.DrainToEnd().error_code(), grpc::INVALID_ARGUMENT) << entry.ShortDebugString();
  }
  RawStream stream(harness_.Connect(), AgentId('a'));
  const auto welcome = stream.Hello("work");
  ASSERT_TRUE(welcome.has_value());
  EXPECT_EQ(welcome->head_version(), 0);
  EXPECT_EQ(welcome->last_batch(), 0);
}

TEST_F(ServerSyncTest, InlineChunkWithAnotherHashIsDataLoss) {
  v1::Commit commit = CommitOf(1, {ChangeOf(FileEntry("a", {"claimed"}))}, {"other"});
  commit.mutable_inline_chunks(0)->set_id(Pack("claimed").id());
  RawStream stream(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  EXPECT_FALSE(stream.Commit(commit).has_value());
  EXPECT_EQ(stream.DrainToEnd().error_code(), grpc::DATA_LOSS);

  RawStream after(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(after.Hello("work").has_value());
  const auto result = after.Commit(CommitOf(1, {ChangeOf(FileEntry("a", {"claimed"}))}));
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->outcomes(0).has_missing_chunks());
}

TEST_F(ServerSyncTest, LimitsOfOneMessageAreKept) {
  std::vector<v1::Commit> bad(3);
  bad[0] = CommitOf(1, {}, {std::string(40 << 10, 'a'), std::string(40 << 10, 'b')});
  bad[1].set_batch(1);
  for (int i = 0; i < 1001; ++i) {
    *bad[1].add_changes() = ChangeOf(DirectoryEntry("d" + std::to_string(i)));
  }
  bad[2] = CommitOf(0, {});
  for (const v1::Commit& commit : bad) {
    RawStream stream(harness_.Connect(), AgentId('a'));
    ASSERT_TRUE(stream.Hello("work").has_value());
    EXPECT_FALSE(stream.Commit(commit).has_value());
    EXPECT_EQ(stream.DrainToEnd().error_code(), grpc::INVALID_ARGUMENT);
  }
  RawStream stream(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  v1::Commit huge = CommitOf(1, {});
  huge.add_inline_chunks()->set_frame(std::string(5 << 20, 'x'));
  EXPECT_FALSE(stream.Commit(huge).has_value());
  EXPECT_EQ(stream.DrainToEnd().error_code(), grpc::RESOURCE_EXHAUSTED);
}

TEST_F(ServerSyncTest, LargeBatchIsOneCommitWithAnAnswerInParts) {
  RawStream writer(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(writer.Hello("work").has_value());
  constexpr int kEntries = 2500;
  v1::SyncRequest request;
  for (int i = 0; i < kEntries;) {
    v1::Commit* commit = request.mutable_commit();
    commit->Clear();
    commit->set_batch(1);
    for (; i < kEntries && commit->changes_size() < 1000; ++i) {
      *commit->add_changes() = ChangeOf(DirectoryEntry("d" + std::to_string(i)));
    }
    commit->set_more(i < kEntries);
    ASSERT_TRUE(writer.Write(request));
  }
  const auto result = writer.ReadCommitResult();
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(writer.commit_messages(), 3);
  ASSERT_EQ(result->outcomes_size(), kEntries);
  for (int i = 0; i < kEntries; ++i) {
    ASSERT_TRUE(result->outcomes(i).has_accepted());
    EXPECT_EQ(result->outcomes(i).accepted().version(),
              result->outcomes(0).accepted().version() + i);
  }

  RawStream reader(harness_.Connect(), AgentId('b'));
  ASSERT_TRUE(reader.Hello("work").has_value());
  const std::vector<v1::Entry> entries = reader.ReadThrough(result->head_version());
  ASSERT_EQ(entries.size(), kEntries);
  for (int i = 0; i < kEntries; ++i) EXPECT_EQ(entries[i].path(), "d" + std::to_string(i));
}

TEST_F(ServerSyncTest, AnotherBatchInTheMiddleOfOneIsRefused) {
  RawStream stream(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  v1::SyncRequest request;
  *request.mutable_commit() = CommitOf(1, {ChangeOf(DirectoryEntry("d"))});
  request.mutable_commit()->set_more(true);
  ASSERT_TRUE(stream.Write(request));
  EXPECT_FALSE(stream.Commit(CommitOf(2, {})).has_value());
  EXPECT_EQ(stream.DrainToEnd().error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(ServerSyncTest, CommitReachesOthersWithItsSmallContent) {
  RawStream writer(harness_.Connect(), AgentId('a'));
  RawStream reader(harness_.Connect(), AgentId('b'));
  ASSERT_TRUE(writer.Hello("work").has_value());
  const auto welcome = reader.Hello("work");
  ASSERT_TRUE(welcome.has_value());
  const auto result =
      writer.Commit(CommitOf(1, {ChangeOf(FileEntry("a.txt", {"hello"}))}, {"hello"}));
  ASSERT_TRUE(result.has_value());

  const auto changes = reader.ReadChanges();
  ASSERT_TRUE(changes.has_value());
  ASSERT_EQ(changes->entries_size(), 1);
  EXPECT_EQ(changes->entries(0).path(), "a.txt");
  EXPECT_EQ(changes->entries(0).author(), AgentId('a'));
  EXPECT_EQ(changes->entries(0).mtime_ns(), 1'700'000'000'123'456'789);
  EXPECT_GT(changes->entries(0).committed_at_ns(), 0);
  ASSERT_EQ(changes->inline_chunks_size(), 1);
  EXPECT_EQ(changes->inline_chunks(0).id(), Pack("hello").id());
  EXPECT_EQ(changes->through().version(), result->head_version());
  EXPECT_EQ(changes->through().incarnation(),
            welcome->incarnations(welcome->incarnations_size() - 1).id());

  const auto own = writer.ReadChanges();
  ASSERT_TRUE(own.has_value());
  EXPECT_EQ(own->entries_size(), 0);
  EXPECT_EQ(own->through().version(), result->head_version());
}

TEST_F(ServerSyncTest, AnswerToACommitComesBeforeTheCursorPassesIt) {
  RawStream stream(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  uint64_t answered = 0;
  for (uint64_t batch = 1; batch <= 50; ++batch) {
    v1::SyncRequest request;
    *request.mutable_commit() =
        CommitOf(batch, {ChangeOf(DirectoryEntry("d" + std::to_string(batch)))});
    ASSERT_TRUE(stream.Write(request));
  }
  for (uint64_t batch = 1; batch <= 50;) {
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value());
    if (response->has_commit_result()) {
      answered = response->commit_result().head_version();
      ++batch;
    } else {
      EXPECT_LE(response->changes().through().version(), answered);
    }
  }
}

TEST_F(ServerSyncTest, OtherFoldersHearNothing) {
  RawStream writer(harness_.Connect(), AgentId('a'));
  RawStream reader(harness_.Connect(), AgentId('b'));
  ASSERT_TRUE(writer.Hello("one").has_value());
  ASSERT_TRUE(reader.Hello("two").has_value());
  ASSERT_TRUE(writer.Commit(CommitOf(1, {ChangeOf(DirectoryEntry("secret"))})).has_value());
  const auto result = reader.Commit(CommitOf(1, {ChangeOf(DirectoryEntry("mine"))}));
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(reader.ReadThrough(result->head_version()).empty());
}

TEST_F(ServerSyncTest, NewestSessionOfAnAgentWins) {
  RawStream old(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(old.Hello("work").has_value());
  RawStream newer(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(newer.Hello("work").has_value());
  const grpc::Status status = old.DrainToEnd();
  // Cancelled when a message was being written: to a peer that does not read, that lasts for ever.
  if (status.error_code() != grpc::CANCELLED) {
    EXPECT_EQ(status.error_code(), grpc::ABORTED);
    EXPECT_NE(status.error_message().find("newer session"), std::string::npos);
  }
  EXPECT_TRUE(newer.Commit(CommitOf(1, {ChangeOf(DirectoryEntry("d"))})).has_value());
}

TEST_F(ServerSyncTest, DrainTellsAgentsToComeBackAndEndsTheirStreams) {
  RawStream stream(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  ASSERT_TRUE(stream.Commit(CommitOf(1, {ChangeOf(DirectoryEntry("d"))})).has_value());
  ASSERT_TRUE(stream.ReadChanges().has_value());
  std::thread stopper(
      [&] { EXPECT_TRUE(harness_.server().Stop(absl::Seconds(5), absl::Seconds(20)).ok()); });
  const auto response = stream.Read();
  ASSERT_TRUE(response.has_value());
  ASSERT_TRUE(response->has_notice());
  EXPECT_LE(response->notice().going_away().reconnect_after_ms(), 5000);
  EXPECT_EQ(stream.DrainToEnd().error_code(), grpc::UNAVAILABLE);
  stopper.join();
}

}  // namespace
}  // namespace filesync
