#include "agent/engine/state/state.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <stdlib.h>

#include <filesystem>

namespace filesync {
namespace {

// A state that an older program left goes on with what it knows.
TEST(StateTest, OlderSchemasAreBroughtUpToDate) {
  std::string directory = testing::TempDir() + "/filesync_state_XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  const std::string path = directory + "/state.db";
  const HeldRow row = {.path = RelPath::Parse("a/b").value(),
                       .direction = HeldRow::Direction::kIncoming,
                       .version = 5};
  for (const char* older : {"DROP TABLE held; PRAGMA user_version=2",
                            "DROP TABLE held; DROP TABLE ignored; PRAGMA user_version=1"}) {
    ASSERT_TRUE(State::Open(path).value()->SetMeta("key", "kept").ok());
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, older, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
    const std::unique_ptr<State> state = State::Open(path).value();
    EXPECT_EQ(state->GetMeta("key").value(), "kept");
    EXPECT_TRUE(state->AllHeld().value().empty());
    ASSERT_TRUE(state->PutHeld(row).ok());
    EXPECT_EQ(state->AllHeld().value().front().path, row.path);
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace filesync
