// What an agent finds when it comes back: to the same server, or to one whose history went back.
#include "tests/integration/server_harness.h"

namespace filesync {
namespace {

class ServerHistoryTest : public testing::Test {
 protected:
  // Commits a directory and returns its version.
  uint64_t CommitDirectory(const std::string& name, uint64_t batch, char agent = 'a') {
    RawStream stream(harness_.Connect(), AgentId(agent));
    EXPECT_TRUE(stream.Hello("work").has_value());
    const auto result = stream.Commit(CommitOf(batch, {ChangeOf(DirectoryEntry(name))}));
    EXPECT_TRUE(result.has_value() && result->outcomes(0).has_accepted());
    return result.has_value() ? result->outcomes(0).accepted().version() : 0;
  }

  // Reads all there is as a new agent does, and returns the cursor it ends with.
  v1::Cursor CursorAt(uint64_t version) {
    RawStream stream(harness_.Connect(), AgentId('r'));
    EXPECT_TRUE(stream.Hello("work").has_value());
    v1::Cursor cursor;
    stream.ReadThrough(version, &cursor);
    return cursor;
  }

  void CopyData(const std::string& from, const std::string& to) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  }

  TemporaryDirectory directory_;
  std::string data_ = directory_.path() + "/data";
  ServerHarness harness_{data_};
};

TEST_F(ServerHistoryTest, ResumesAfterTheCursorAcrossARestart) {
  const v1::Cursor cursor = CursorAt(CommitDirectory("one", 1));
  harness_.Restart();
  const uint64_t version = CommitDirectory("two", 2);
  RawStream stream(harness_.Connect(), AgentId('r'));
  const auto welcome = stream.Hello("work", cursor);
  ASSERT_TRUE(welcome.has_value());
  EXPECT_TRUE(welcome->cursor_known());
  EXPECT_EQ(welcome->incarnations_size(), 2);
  const std::vector<v1::Entry> entries = stream.ReadThrough(version);
  ASSERT_EQ(entries.size(), 1);
  EXPECT_EQ(entries[0].path(), "two");
}

TEST_F(ServerHistoryTest, OwnCommitsOfAnEarlierSessionAreSentAgain) {
  const uint64_t version = CommitDirectory("mine", 1);
  RawStream stream(harness_.Connect(), AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  const std::vector<v1::Entry> entries = stream.ReadThrough(version);
  ASSERT_EQ(entries.size(), 1);
  EXPECT_EQ(entries[0].path(), "mine");
}

TEST_F(ServerHistoryTest, CursorOfATailThatWasLostIsUnknown) {
  CommitDirectory("kept", 1);
  harness_.Stop();
  CopyData(data_, directory_.path() + "/backup");
  harness_.Start();
  const v1::Cursor cursor = CursorAt(CommitDirectory("lost", 2));
  harness_.Stop();
  CopyData(directory_.path() + "/backup", data_);
  harness_.Start();
  // Others commit past the old head: its number alone would not show what was lost.
  uint64_t version = 0;
  for (uint64_t batch = 1; batch <= 5; ++batch) {
    version = CommitDirectory("new" + std::to_string(batch), batch, 'b');
  }
  EXPECT_GT(version, cursor.version());
  RawStream stream(harness_.Connect(), AgentId('r'));
  const auto welcome = stream.Hello("work", cursor);
  ASSERT_TRUE(welcome.has_value());
  EXPECT_FALSE(welcome->cursor_known());
  EXPECT_EQ(stream.ReadThrough(version).size(), 6);
  EXPECT_NE(harness_.log_text().find("are lost"), std::string::npos);
}

TEST_F(ServerHistoryTest, CursorOfAnotherServerIsUnknown) {
  const uint64_t version = CommitDirectory("here", 1);
  v1::Cursor cursor;
  cursor.set_incarnation(std::string(16, 'x'));
  cursor.set_version(version);
  RawStream stream(harness_.Connect(), AgentId('r'));
  const auto welcome = stream.Hello("work", cursor);
  ASSERT_TRUE(welcome.has_value());
  EXPECT_FALSE(welcome->cursor_known());
  EXPECT_EQ(stream.ReadThrough(version).size(), 1);
}

TEST_F(ServerHistoryTest, CursorAboveTheHeadIsUnknown) {
  v1::Cursor cursor = CursorAt(CommitDirectory("here", 1));
  cursor.set_version(cursor.version() + 1);
  RawStream stream(harness_.Connect(), AgentId('r'));
  const auto welcome = stream.Hello("work", cursor);
  ASSERT_TRUE(welcome.has_value());
  EXPECT_FALSE(welcome->cursor_known());
}

TEST_F(ServerHistoryTest, MalformedCursorIsRefused) {
  v1::Cursor cursor;
  cursor.set_incarnation("short");
  RawStream stream(harness_.Connect(), AgentId('r'));
  EXPECT_FALSE(stream.Hello("work", cursor).has_value());
  EXPECT_EQ(stream.DrainToEnd().error_code(), grpc::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace filesync
