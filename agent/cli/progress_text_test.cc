#include "agent/cli/progress_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/cli/terminal_block.h"

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

RelPath P(const std::string& path) { return RelPath::Parse(path).value(); }

TEST(ProgressTextTest, Amounts) {
  EXPECT_EQ(ForPeople(uint64_t{0}), "0 B");
  EXPECT_EQ(ForPeople(uint64_t{1023}), "1023 B");
  EXPECT_EQ(ForPeople(uint64_t{1536}), "1.5 KiB");
  EXPECT_EQ(ForPeople(uint64_t{1} << 50), "1024.0 TiB");
  EXPECT_EQ(ForPeople(absl::ZeroDuration()), "0 s");
  EXPECT_EQ(ForPeople(absl::Milliseconds(1250)), "1.2 s");
  EXPECT_EQ(ForPeople(absl::Seconds(59)), "59 s");
  EXPECT_EQ(ForPeople(absl::Seconds(125)), "2 min 5 s");
  EXPECT_EQ(ForPeople(absl::Minutes(67)), "1 h 7 min");
}

TEST(ProgressTextTest, Events) {
  EXPECT_EQ(ForPeople(SyncEvent{SyncEvent::Kind::kMovedHere, P("a"), P("50%"), 0, "renamed"}),
            "moved here a -> 50%25");
  EXPECT_EQ(ForPeople(SyncEvent{SyncEvent::Kind::kMovedThere, P("a"), P("b"), 0, "renamed"}),
            "moved there a -> b");
  EXPECT_EQ(ForPeople(SyncEvent{SyncEvent::Kind::kFailed, P("a\nb"), RelPath(), 0, "no\nspace"}),
            "failed a%0Ab: no%0Aspace");
  EXPECT_EQ(ForPeople(SyncEvent{SyncEvent::Kind::kUploaded, P("a"), RelPath(), 9, "new here"}),
            "sent a");
}

TEST(ProgressTextTest, ProgressIsTheWholeAndAFewTransfers) {
  SyncProgress progress;
  EXPECT_THAT(ProgressLines(progress, 3), IsEmpty());
  progress.files_moved = 3;
  progress.files_to_move = 40;
  progress.bytes_moved = 12 << 20;
  progress.bytes_to_move = 80 << 20;
  EXPECT_THAT(ProgressLines(progress, 3), ElementsAre("15 % of 80.0 MiB at 0 B/s, 3 of 40 files"));
  progress.bytes_per_second = 1 << 20;
  progress.eta = absl::Seconds(68);
  for (int i = 0; i < 9; ++i) {
    progress.transfers.push_back({P("f" + std::to_string(i)), TransferDirection::kDown, 0, 0});
  }
  progress.transfers.front().bytes_total = 2000;
  progress.transfers.front().bytes_done = 999;
  EXPECT_THAT(ProgressLines(progress, 2),
              ElementsAre("15 % of 80.0 MiB at 1.0 MiB/s, 1 min 8 s left, 3 of 40 files",
                          "  down  49 % of   2.0 KiB  f0", "  down   0 % of       0 B  f1"));
  progress.files_moved = 40;
  EXPECT_THAT(ProgressLines(progress, 3), IsEmpty());
}

TEST(TerminalBlockTest, LinesAreCutBetweenCharactersAndNeverTooLate) {
  EXPECT_EQ(FitColumns("abcdef", 4), "abcd");
  EXPECT_EQ(FitColumns("abc", 4), "abc");
  EXPECT_EQ(FitColumns("", 4), "");
  EXPECT_EQ(FitColumns("aüb", 2), "a");
  EXPECT_EQ(FitColumns("aüb", 3), "aü");
  EXPECT_EQ(FitColumns("日本語", 5), "日本");
  EXPECT_EQ(FitColumns("a\xff\xff", 2), "a\xff");
}

}  // namespace
}  // namespace filesync
