#include <gtest/gtest.h>

#include "agent/engine/state/state.h"
#include "libs/base/files.h"
#include "libs/base/scratch.h"

namespace filesync {
namespace {

constexpr char kName[] = "state.db";

std::string Setting(State& state) {
  const auto value = state.GetMeta("key");
  return value.ok() && value->has_value() ? **value : "none";
}

TEST(StateCopyTest, OfNothingIsEmpty) {
  const absl::StatusOr<ScratchDirectory> place = ScratchDirectory::Make();
  ASSERT_TRUE(place.ok());
  for (const std::string& directory : {std::string(), place->path()}) {
    const auto copy = State::OpenCopy(directory, kName);
    ASSERT_TRUE(copy.ok()) << copy.status();
    EXPECT_EQ((*copy)->CountBase()->entries, 0);
    EXPECT_TRUE((*copy)->SetMeta("key", "value").ok());
  }
  EXPECT_TRUE(ListNames(place->path())->empty());
}

TEST(StateCopyTest, HoldsWhatIsOnlyInTheLogAndChangesNothing) {
  const absl::StatusOr<ScratchDirectory> place = ScratchDirectory::Make();
  ASSERT_TRUE(place.ok());
  // Open, so that its log was not worked into it.
  const auto agent = State::Open(place->path() + "/" + kName);
  ASSERT_TRUE(agent.ok());
  ASSERT_TRUE((*agent)->SetMeta("key", "agreed").ok());
  BaseRow row;
  row.entry.path = *RelPath::Parse("d");
  row.entry.type = EntryType::kDirectory;
  ASSERT_TRUE((*agent)->PutBase(row).ok());
  const auto copy = State::OpenCopy(place->path(), kName);
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_EQ(Setting(**copy), "agreed");
  EXPECT_EQ((*copy)->CountBase()->entries, 1);
  {
    State::Transaction transaction(copy->get());
    ASSERT_TRUE((*copy)->SetMeta("key", "planned").ok());
    ASSERT_TRUE((*copy)->DeleteBase(row.entry.path).ok());
    ASSERT_TRUE(transaction.Commit().ok());
  }
  EXPECT_EQ(Setting(**copy), "planned");
  EXPECT_EQ(Setting(**agent), "agreed");
  EXPECT_EQ((*agent)->CountBase()->entries, 1);
}

TEST(StateCopyTest, OfADamagedFileIsDataLoss) {
  const absl::StatusOr<ScratchDirectory> place = ScratchDirectory::Make();
  ASSERT_TRUE(place.ok());
  const absl::StatusOr<UniqueFd> directory = OpenDirectory(place->path());
  ASSERT_TRUE(ReplaceFile(directory->get(), kName, std::string(5000, 'x')).ok());
  EXPECT_TRUE(absl::IsDataLoss(State::OpenCopy(place->path(), kName).status()));
  EXPECT_EQ(ListNames(place->path())->size(), 1);
}

}  // namespace
}  // namespace filesync
