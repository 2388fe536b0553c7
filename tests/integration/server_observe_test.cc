// A stream that only looks: it sees everything and leaves nothing behind.
#include "filesync/v1/admin.grpc.pb.h"
#include "tests/integration/server_harness.h"

namespace filesync {
namespace {

class ServerObserveTest : public testing::Test {
 protected:
  int Agents() {
    const auto stub = v1::AdminService::NewStub(harness_.Connect());
    grpc::ClientContext context;
    v1::ListAgentsResponse response;
    EXPECT_TRUE(stub->ListAgents(&context, {}, &response).ok());
    return response.agents_size();
  }
  int Folders() {
    const auto stub = v1::AdminService::NewStub(harness_.Connect());
    grpc::ClientContext context;
    v1::ListFoldersResponse response;
    EXPECT_TRUE(stub->ListFolders(&context, {}, &response).ok());
    return response.folders_size();
  }

  TemporaryDirectory directory_;
  ServerHarness harness_{directory_.path()};
};

TEST_F(ServerObserveTest, AFolderThatIsNotThereIsNotMade) {
  RawStream stream(harness_.Connect(), AgentId('o'));
  const auto welcome = stream.Observe("none");
  ASSERT_TRUE(welcome.has_value());
  EXPECT_TRUE(welcome->observing());
  EXPECT_EQ(welcome->folder_id(), 0);
  EXPECT_EQ(welcome->head_version(), 0);
  EXPECT_GT(welcome->incarnations_size(), 0);
  EXPECT_EQ(Folders(), 0);
  EXPECT_EQ(Agents(), 0);
}

TEST_F(ServerObserveTest, AllIsSentWhateverTheCursorAndNothingIsCommitted) {
  RawStream agent(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(agent.Hello("work").has_value());
  const auto first = agent.Commit(
      CommitOf(1, {ChangeOf(DirectoryEntry("d")), ChangeOf(FileEntry("f", {"small"}))}, {"small"}));
  ASSERT_TRUE(first.has_value());
  v1::Cursor cursor;
  agent.ReadThrough(first->head_version(), &cursor);

  // As the same agent, whose session goes on.
  RawStream stream(harness_.Connect(), AgentId('a'));
  const auto welcome = stream.Observe("work", cursor);
  ASSERT_TRUE(welcome.has_value());
  EXPECT_TRUE(welcome->cursor_known());
  EXPECT_EQ(welcome->last_batch(), 1);
  const auto changes = stream.ReadChanges();
  ASSERT_TRUE(changes.has_value());
  EXPECT_EQ(changes->entries_size(), 2);
  EXPECT_EQ(changes->inline_chunks_size(), 0);

  // What was committed before is answered once more.
  const auto again = stream.Commit(
      CommitOf(1, {ChangeOf(DirectoryEntry("d")), ChangeOf(FileEntry("f", {"small"}))}));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->outcomes(0).accepted().version(), first->outcomes(0).accepted().version());
  EXPECT_FALSE(stream.Commit(CommitOf(2, {ChangeOf(DirectoryEntry("new"))})).has_value());
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  EXPECT_EQ(Agents(), 1);
  const auto second = agent.Commit(CommitOf(2, {ChangeOf(DirectoryEntry("e"))}));
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->head_version(), first->head_version() + 1);
}

}  // namespace
}  // namespace filesync
