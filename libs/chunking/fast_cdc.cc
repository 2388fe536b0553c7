#include "libs/chunking/fast_cdc.h"

#include <algorithm>
#include <array>
#include <bit>

#include "libs/base/coding.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

constexpr uint32_t kSmallestAverage = 64 << 10;
constexpr uint32_t kLargestAverage = 512 << 10;
constexpr uint64_t kTargetChunks = 16'384;
// Normalisation level 2: the mask before the average has two bits more, after it two fewer.
constexpr int kNormalisation = 2;

struct GearTables {
  std::array<uint64_t, 256> gear;
  std::array<uint64_t, 256> shifted;  // gear << 1, for the first of two bytes
};

const GearTables& Tables() {
  static const GearTables* const kTables = [] {
    auto* tables = new GearTables;
    for (int i = 0; i < 256; ++i) {
      const char byte = static_cast<char>(i);
      char out[8];
      DeriveTable("filesync 2026 gear table v1", {&byte, 1}, reinterpret_cast<uint8_t*>(out), 8);
      tables->gear[i] = ReadBigEndian64(out);
      tables->shifted[i] = tables->gear[i] << 1;
    }
    return tables;
  }();
  return *kTables;
}

// `bits` ones at the top: a Gear hash's high bits depend on the most bytes.
constexpr uint64_t Mask(int bits) { return ~uint64_t{0} << (64 - bits); }

// Scans [begin, end) two bytes a step; returns where a boundary is, or `end`. The hash runs on.
size_t FindBoundary(const uint8_t* data, size_t begin, size_t end, uint64_t mask, uint64_t& hash) {
  const GearTables& tables = Tables();
  const uint64_t* gear = tables.gear.data();
  const uint64_t* shifted = tables.shifted.data();
  uint64_t h = hash;
  size_t i = begin;
  for (; i + 1 < end; i += 2) {
    const uint64_t once = (h << 1) + gear[data[i]];
    h = (h << 2) + shifted[data[i]] + gear[data[i + 1]];
    if ((once & mask) == 0) {
      hash = once;
      return i + 1;
    }
    if ((h & mask) == 0) {
      hash = h;
      return i + 2;
    }
  }
  if (i < end) {
    h = (h << 1) + gear[data[i]];
    ++i;
    if ((h & mask) == 0) {
      hash = h;
      return i;
    }
  }
  hash = h;
  return end;
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
  size_t cut = FindBoundary(bytes, sizes.min(), middle, Mask(bits + kNormalisation), hash);
  if (cut < middle) return cut;
  if ((hash & Mask(bits + kNormalisation)) == 0 && cut == middle && middle > sizes.min()) {
    return cut;
  }
  return FindBoundary(bytes, middle, end, Mask(bits - kNormalisation), hash);
}

}  // namespace filesync
