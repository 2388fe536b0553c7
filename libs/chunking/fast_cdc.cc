#include "libs/chunking/fast_cdc.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "libs/base/coding.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

constexpr uint32_t kSmallestAverage = 64 << 10;
constexpr uint32_t kLargestAverage = 512 << 10;
constexpr uint64_t kTargetChunks = 16'384;
// Normalisation level 2: the mask before the average has two bits more, after it two fewer.
constexpr int kNormalisation = 2;

using GearTable = std::array<uint64_t, 256>;

const GearTable& Gear() {
  static const GearTable* const kTable = [] {
    auto* table = new GearTable;
    for (int i = 0; i < 256; ++i) {
      const char byte = static_cast<char>(i);
      char out[8];
      DeriveTable("filesync 2026 gear table v1", {&byte, 1}, reinterpret_cast<uint8_t*>(out), 8);
      (*table)[i] = ReadBigEndian64(out);
    }
    return table;
  }();
  return *kTable;
}

// The largest hash with `bits` zeros at the top, which depend on the most bytes: a hash at or
// below it is a boundary.
constexpr uint64_t Largest(int bits) { return ~uint64_t{0} >> bits; }

// Scans [begin, end); returns the length up to a boundary, or nothing. The hash runs on.
std::optional<size_t> FindBoundary(const uint8_t* data, size_t begin, size_t end, uint64_t largest,
                                   uint64_t& hash) {
  const uint64_t* gear = Gear().data();
  uint64_t h = hash;
  size_t i = begin;
  // One add and one shift a byte, in one instruction; unrolled, or the loop's own cost shows.
  auto step = [&]() __attribute__((always_inline)) {
    h = (h << 1) + gear[data[i++]];
    return __builtin_expect(h <= largest, 0);
  };
  while (i + 8 <= end) {
    if (step() || step() || step() || step() || step() || step() || step() || step()) return i;
  }
  while (i < end) {
    if (step()) return i;
  }
  hash = h;
  return std::nullopt;
}

}  // namespace

bool ChunkSizes::IsValidAverage(uint32_t average) {
  return std::has_single_bit(average) && average >= kSmallestAverage && average <= kLargestAverage;
}

ChunkSizes ChunkSizes::ForFileSize(uint64_t size, uint32_t previous_average) {
  uint32_t average = kSmallestAverage;
  while (average < kLargestAverage && size > kTargetChunks * average) average *= 2;
  if (IsValidAverage(previous_average) && previous_average != average) {
    const bool a_class_off = previous_average * 2 == average || previous_average == average * 2;
    const uint64_t top = kTargetChunks * previous_average;
    // Within a factor of two of the range (top/2, top] that the previous class is for.
    if (a_class_off && size <= top * 2 && size > top / 4) average = previous_average;
  }
  return ChunkSizes{average};
}

size_t FirstChunkLength(std::string_view data, const ChunkSizes& sizes) {
  if (data.size() <= sizes.min()) return data.size();
  const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
  const size_t end = std::min<size_t>(data.size(), sizes.max());
  const size_t middle = std::min<size_t>(end, sizes.average);
  const int bits = std::countr_zero(sizes.average);
  uint64_t hash = 0;
  const auto early = FindBoundary(bytes, sizes.min(), middle, Largest(bits + kNormalisation), hash);
  if (early.has_value()) return *early;
  return FindBoundary(bytes, middle, end, Largest(bits - kNormalisation), hash).value_or(end);
}

}  // namespace filesync
