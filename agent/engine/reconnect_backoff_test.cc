#include "agent/engine/reconnect_backoff.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "agent/engine/jitter.h"

namespace filesync {
namespace {

constexpr double kMost = 0.999999;

TEST(ReconnectBackoffTest, TheFirstTryIsSpreadToo) {
  const absl::Time now = absl::UnixEpoch();
  EXPECT_EQ(ReconnectBackoff().Failed(now, 0), absl::ZeroDuration());
  EXPECT_NEAR(absl::ToDoubleSeconds(ReconnectBackoff().Failed(now, kMost)), 0.5, 0.001);
}

TEST(ReconnectBackoffTest, AServerThatStaysAwayIsAskedEveryMinuteAtMost) {
  ReconnectBackoff backoff;
  absl::Time now = absl::UnixEpoch();
  int tries = 0;
  while (now < absl::UnixEpoch() + absl::Hours(1)) {
    const absl::Duration wait = backoff.Failed(now, kMost);
    EXPECT_LE(wait, absl::Seconds(60));
    now += wait;
    ++tries;
  }
  EXPECT_LT(tries, 80);
  EXPECT_EQ(backoff.failures(), tries);
}

TEST(ReconnectBackoffTest, AConnectionBeginsItAnew) {
  ReconnectBackoff backoff;
  absl::Time now = absl::UnixEpoch();
  backoff.Failed(now, kMost);
  now += absl::Hours(1);
  EXPECT_GT(backoff.Failed(now, kMost), absl::Seconds(59));
  backoff.Connected();
  EXPECT_EQ(backoff.failures(), 0);
  EXPECT_LT(backoff.Failed(now, kMost), absl::Seconds(1));
}

TEST(JitterTest, SpreadsOverAllOfTheInterval) {
  int tenths[10] = {};
  for (int i = 0; i < 10'000; ++i) {
    const double jitter = Jitter();
    ASSERT_GE(jitter, 0);
    ASSERT_LT(jitter, 1);
    ++tenths[static_cast<int>(jitter * 10)];
  }
  for (const int count : tenths) EXPECT_NEAR(count, 1000, 250);
}

// However many tries failed while a server was restarted.
RC_GTEST_PROP(ReconnectBackoffProperty, ItIsBackSoonAfterTheServer, ()) {
  const double outage = *rc::gen::inRange(0, 60'000) / 1000.0;
  ReconnectBackoff backoff;
  double now = 0;
  while (now <= outage) {
    const double jitter = *rc::gen::inRange(0, 1000) / 1000.0;
    now += std::max(0.001, absl::ToDoubleSeconds(
                               backoff.Failed(absl::UnixEpoch() + absl::Seconds(now), jitter)));
  }
  RC_ASSERT(now - outage <= std::max(0.5, outage / 2) + 0.002);
}

}  // namespace
}  // namespace filesync
