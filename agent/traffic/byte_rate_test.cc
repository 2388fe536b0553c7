#include "agent/traffic/byte_rate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace filesync {
namespace {

using testing::HasSubstr;

constexpr uint64_t kKi = 1024;

ByteRate Rate(const char* text) {
  const absl::StatusOr<ByteRate> rate = ParseByteRate(text);
  EXPECT_TRUE(rate.ok()) << rate.status();
  return rate.value_or(ByteRate(~0ull));
}

TEST(ByteRateTest, ANumberAloneIsBytes) {
  EXPECT_EQ(Rate("1"), 1u);
  EXPECT_EQ(Rate("1000"), 1000u);
  EXPECT_EQ(Rate("1000B"), 1000u);
  EXPECT_EQ(Rate("1000/s"), 1000u);
}

TEST(ByteRateTest, UnitsArePowersOf1024HoweverTheyAreWritten) {
  for (const char* text : {"10k", "10K", "10Ki", "10KiB", "10kB", "10k/s", "10KiB/s", "10kB/s"}) {
    EXPECT_EQ(Rate(text), 10 * kKi) << text;
  }
  for (const char* text : {"10M", "10Mi", "10MiB", "10MB", "10M/s", "10MiB/s"}) {
    EXPECT_EQ(Rate(text), 10 * kKi * kKi) << text;
  }
  EXPECT_EQ(Rate("2G"), 2 * kKi * kKi * kKi);
}

TEST(ByteRateTest, FractionsAreOfTheUnit) {
  EXPECT_EQ(Rate("1.5M"), 3 * kKi * kKi / 2);
  EXPECT_EQ(Rate("0.5k"), 512u);
  EXPECT_EQ(Rate("1.9"), 1u);
}

TEST(ByteRateTest, NoLimitHasItsWords) {
  for (const char* text : {"off", "OFF", "unlimited", "Unlimited", "0", "0.0", "0M", "0/s"}) {
    EXPECT_EQ(Rate(text), std::nullopt) << text;
  }
}

TEST(ByteRateTest, AnythingElseIsRefusedWithWhatWasExpected) {
  for (const char* text :
       {"",       " ",    "-1",   "-5M",  "+5",    "M",    "10T",   "10m",  "10Mb",   "10Mbit",
        "10MBps", "10 M", "10M ", " 10M", "1.M",   ".5M",  "1.2.3", "1,5M", "1e6",    "0x10",
        "inf",    "nan",  "on",   "10M/", "10M/m", "10ii", "10iB",  "/s",   "10M/s/s"}) {
    const absl::Status status = ParseByteRate(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("512k")) << text;
  }
}

TEST(ByteRateTest, WhatIsTooSmallOrTooLargeIsRefused) {
  const std::string many_digits(400, '9');
  const std::string tiny = "0." + std::string(400, '0') + "1G";
  for (const std::string& text : std::vector<std::string>{"0.5", "0.0001k", "9223372036854775808",
                                                          "8589934592G", many_digits, tiny}) {
    const absl::Status status = ParseByteRate(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("at least 1 byte")) << text;
  }
  EXPECT_EQ(Rate("8589934591G"), 8589934591 * kKi * kKi * kKi);
}

}  // namespace
}  // namespace filesync
