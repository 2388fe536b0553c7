#include "agent/engine/held_paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace filesync {
namespace {

using Direction = HeldRow::Direction;

RelPath P(const std::string& path) { return RelPath::Parse(path).value(); }

class HeldPathsTest : public testing::Test {
 protected:
  HeldPathsTest() { Reopen(); }
  ~HeldPathsTest() override {
    state_.reset();
    std::filesystem::remove_all(path_);
  }
  // As after a kill.
  void Reopen() {
    state_.reset();
    state_ = State::Open(path_ + "/state.db").value();
    held_ = HeldPaths();
    ASSERT_TRUE(held_.Load(state_.get()).ok());
  }
  void Agree(const std::string& path, EntryType type) {
    BaseRow row;
    row.entry.path = P(path);
    row.entry.type = type;
    row.entry.version = 7;
    ASSERT_TRUE(state_->PutBase(row).ok());
  }

  const std::string path_ = [] {
    std::string path = testing::TempDir() + "/filesync_held_XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    return path;
  }();
  std::unique_ptr<State> state_;
  HeldPaths held_;
};

TEST_F(HeldPathsTest, OutlastsAKill) {
  ASSERT_TRUE(held_
                  .Put({.path = P("a"),
                        .direction = Direction::kIncoming,
                        .loss = HeldRow::Loss::kReplaced,
                        .winner = Winner::kRemote,
                        .version = 9})
                  .ok());
  Reopen();
  const HeldRow* row = held_.Find(P("a"), Direction::kIncoming);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->loss, HeldRow::Loss::kReplaced);
  EXPECT_EQ(row->winner, Winner::kRemote);
  EXPECT_EQ(row->version, 9u);
  EXPECT_EQ(held_.Find(P("a"), Direction::kOutgoing), nullptr);
  ASSERT_TRUE(held_.Erase(P("a")).ok());
  Reopen();
  EXPECT_TRUE(held_.all().empty());
}

TEST_F(HeldPathsTest, KnowsWhatWaitsAboveAndBelow) {
  ASSERT_TRUE(held_.Put({.path = P("d/e")}).ok());
  EXPECT_TRUE(held_.WaitsAtOrAbove(P("d/e/f"), Direction::kOutgoing));
  EXPECT_FALSE(held_.WaitsAtOrAbove(P("d"), Direction::kOutgoing));
  EXPECT_FALSE(held_.WaitsAtOrAbove(P("d/e/f"), Direction::kIncoming));
  EXPECT_TRUE(held_.WaitsBelow(P("d"), Direction::kOutgoing));
  EXPECT_FALSE(held_.WaitsBelow(P("d/e"), Direction::kOutgoing));
  ASSERT_TRUE(held_.ConfirmAll().ok());
  EXPECT_FALSE(held_.WaitsAtOrAbove(P("d/e/f"), Direction::kOutgoing));
  EXPECT_FALSE(held_.WaitsBelow(P("d"), Direction::kOutgoing));
}

TEST_F(HeldPathsTest, UndoingMakesWhatIsGoneNewsFromTheFolder) {
  Agree("d", EntryType::kDirectory);
  Agree("d/file", EntryType::kFile);
  Agree("other", EntryType::kFile);
  ASSERT_TRUE(held_.Put({.path = P("d")}).ok());
  ASSERT_TRUE(held_.Put({.path = P("in"), .direction = Direction::kIncoming, .version = 3}).ok());
  ASSERT_TRUE(held_.Put({.path = P("first"), .winner = Winner::kLocal}).ok());
  const auto paths = held_.UndoAll();
  ASSERT_TRUE(paths.ok());
  EXPECT_THAT(*paths, testing::IsSupersetOf({P("d"), P("d/file"), P("in"), P("first")}));
  Reopen();
  for (const char* path : {"d", "d/file"}) {
    EXPECT_TRUE(state_->GetRemote(P(path))->has_value()) << path;
    EXPECT_FALSE(state_->GetBase(P(path))->has_value()) << path;
    ASSERT_NE(held_.Find(P(path)), nullptr);
    EXPECT_EQ(held_.Find(P(path))->verdict, HeldRow::Verdict::kUndone);
  }
  EXPECT_TRUE(state_->GetBase(P("other"))->has_value());
  EXPECT_EQ(held_.Find(P("in"))->verdict, HeldRow::Verdict::kUndone);
  // Nobody wins any more.
  EXPECT_EQ(held_.Find(P("first")), nullptr);
}

}  // namespace
}  // namespace filesync
