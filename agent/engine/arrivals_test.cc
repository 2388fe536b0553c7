#include "agent/engine/arrivals.h"

#include <gtest/gtest.h>

namespace filesync {
namespace {

RelPath P(std::string_view path) { return RelPath::Parse(path).value(); }

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(ArrivalsTest, SoManyAreKnownAndNoMore) {
  Arrivals arrivals;
  for (int i = 0; i < 20'000; ++i) arrivals.Add(P("d/" + std::to_string(i)), kNow);
  EXPECT_EQ(arrivals.size(), 10'000U);
  EXPECT_TRUE(arrivals.Contains(P("d/1")));
  EXPECT_FALSE(arrivals.Contains(P("d/19999")));
}

TEST(ArrivalsTest, TheySettleWhenNothingElseHasCome) {
  Arrivals arrivals;
  arrivals.Add(P("a"), kNow);
  arrivals.Settle(kNow + absl::Seconds(1));
  arrivals.Add(P("b"), kNow + absl::Seconds(1));
  arrivals.Settle(kNow + absl::Seconds(2));
  EXPECT_EQ(arrivals.size(), 2U);
  arrivals.Settle(kNow + absl::Seconds(3));
  EXPECT_EQ(arrivals.size(), 0U);
}

TEST(ArrivalsTest, TheyOutlastTheAgent) {
  Arrivals arrivals;
  arrivals.Add(P("a"), kNow);
  arrivals.Add(P("with space\nand line"), kNow);
  Arrivals later;
  later.Decode(arrivals.Encode());
  EXPECT_EQ(later.size(), 2U);
  EXPECT_TRUE(later.Contains(P("with space\nand line")));
  later.Decode("");
  later.Decode(std::string_view("\0\0//\0", 5));
  EXPECT_EQ(later.size(), 2U);
}

}  // namespace
}  // namespace filesync
