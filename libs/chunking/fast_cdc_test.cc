// The search for boundaries against the plainest form of its definition.
#include "libs/chunking/fast_cdc.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <random>
#include <string>

#include "libs/base/coding.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

constexpr uint32_t kSmallestAverage = 64 << 10;

uint64_t GearOf(uint8_t byte) {
  static const std::array<uint64_t, 256> kTable = [] {
    std::array<uint64_t, 256> table;
    for (int i = 0; i < 256; ++i) {
      const char input = static_cast<char>(i);
      char out[8];
      DeriveTable("filesync 2026 gear table v1", {&input, 1}, reinterpret_cast<uint8_t*>(out), 8);
      table[i] = ReadBigEndian64(out);
    }
    return table;
  }();
  return kTable[byte];
}

size_t PlainFirstChunkLength(std::string_view data, const ChunkSizes& sizes) {
  const int bits = std::countr_zero(sizes.average);
  uint64_t hash = 0;
  for (size_t i = sizes.min(); i < data.size() && i < sizes.max(); ++i) {
    hash = hash * 2 + GearOf(static_cast<uint8_t>(data[i]));
    const int zeros = i < sizes.average ? bits + 2 : bits - 2;
    if (std::countl_zero(hash) >= zeros) return i + 1;
  }
  return std::min<size_t>(data.size(), sizes.max());
}

// Bytes of an alphabet of `letters`; the fewer there are, the more often the hash repeats.
std::string Random(std::mt19937_64& random, size_t size, int letters) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() % letters);
  return bytes;
}

class FastCdcSearch : public testing::Test {
 protected:
  FastCdcSearch() : seed_(std::random_device()()), random_(seed_) {}

  // True if the boundary is a found one, not the limit or the data's end.
  bool Compare(std::string_view data, const ChunkSizes& sizes) {
    const size_t expected = PlainFirstChunkLength(data, sizes);
    EXPECT_EQ(FirstChunkLength(data, sizes), expected)
        << "seed " << seed_ << ", " << data.size() << " bytes, average " << sizes.average;
    return expected < data.size() && expected < sizes.max();
  }

  // The end of the first 64 bytes, at or after `from`, that are a boundary before the average
  // in whichever chunk they stand.
  static std::optional<size_t> EarlyBoundary(std::string_view data, size_t from) {
    uint64_t hash = 0;
    for (size_t i = from - 64; i < data.size(); ++i) {
      hash = hash * 2 + GearOf(static_cast<uint8_t>(data[i]));
      const int zeros = std::countr_zero(kSmallestAverage) + 2;
      if (i >= from && std::countl_zero(hash) >= zeros) return i + 1;
    }
    return std::nullopt;
  }

  const uint32_t seed_;
  std::mt19937_64 random_;
};

TEST_F(FastCdcSearch, AgreesOnAnyBytes) {
  int found = 0;
  for (uint32_t average = kSmallestAverage; average <= 512 << 10; average *= 2) {
    const ChunkSizes sizes{average};
    for (const int letters : {256, 256, 256, 64, 4, 2, 1}) {
      const std::string bytes = Random(random_, sizes.max() + 100, letters);
      for (int turn = 0; turn < 4; ++turn) {
        found += Compare(std::string_view(bytes).substr(random_() % 100), sizes) ? 1 : 0;
        found += Compare(std::string_view(bytes).substr(0, random_() % bytes.size()), sizes);
      }
    }
  }
  EXPECT_GT(found, 0) << "seed " << seed_;
}

TEST_F(FastCdcSearch, AgreesOnShortRests) {
  const ChunkSizes sizes;
  const std::string bytes = Random(random_, sizes.max() + 100, 256);
  for (const size_t size : {size_t{0}, size_t{sizes.min()}, size_t{sizes.average}}) {
    for (size_t more = 0; more < 140; ++more) {
      Compare(std::string_view(bytes).substr(more, size + more), sizes);
    }
  }
}

// Wherever a boundary lies relative to where the hash starts, the mask changes, the data ends.
TEST_F(FastCdcSearch, AgreesWhereverABoundaryLies) {
  const ChunkSizes sizes;
  const std::string bytes = Random(random_, 4 << 20, 256);
  const size_t longest = sizes.average + 200;
  const std::optional<size_t> end = EarlyBoundary(bytes, longest);
  // Sixteen are to be expected.
  ASSERT_TRUE(end.has_value()) << "no such boundary in 4 MiB, seed " << seed_;
  const std::string_view data = bytes;
  int found = 0;
  for (size_t offset = 0; offset < 140; ++offset) {
    for (const size_t length : {sizes.min() + offset, sizes.average - 70 + offset}) {
      const std::string_view from = data.substr(*end - length);
      found += Compare(from, sizes) ? 1 : 0;
      for (const size_t after : {0, 1, 2, 7, 8, 31, 32, 33}) {
        found += Compare(from.substr(0, length + after), sizes) ? 1 : 0;
      }
    }
  }
  EXPECT_GT(found, 0) << "seed " << seed_;
}

}  // namespace
}  // namespace filesync
