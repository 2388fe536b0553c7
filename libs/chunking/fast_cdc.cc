#include "libs/chunking/fast_cdc.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>

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

// The search: h = 2h + gear[byte] for each byte, until h is at or below `largest`. One load of the
// byte, one of the entry, one add-and-shift and one compare-and-branch are all that a byte takes,
// so the loop around them must cost nothing: it goes round once in as many bytes as `kAt` counts.
// How its branches are laid out matters as much: see CMakeLists.txt.
class Search {
 public:
  explicit Search(const uint8_t* data) : data_(data), gear_(Gear().data()) {}

  // Scans [begin, end); returns the length up to a boundary, or nothing. The hash runs on.
  std::optional<size_t> Scan(size_t begin, size_t end, uint64_t largest) {
    return Scan(data_ + begin, data_ + end, largest, std::make_index_sequence<32>());
  }

 private:
  template <size_t... kAt>
  std::optional<size_t> Scan(const uint8_t* next, const uint8_t* end, uint64_t largest,
                             std::index_sequence<kAt...>) {
    const uint64_t* gear = gear_;
    uint64_t h = hash_;
    const uint8_t* found = nullptr;
    auto step = [&](const uint8_t* byte) __attribute__((always_inline)) {
      h = (h << 1) + gear[*byte];
      if (__builtin_expect(h > largest, 1)) return false;
      found = byte + 1;
      return true;
    };
    while (static_cast<size_t>(end - next) >= sizeof...(kAt)) {
      if ((step(next + kAt) || ...)) return found - data_;
      next += sizeof...(kAt);
    }
    for (; next != end; ++next) {
      if (step(next)) return found - data_;
    }
    hash_ = h;
    return std::nullopt;
  }

  const uint8_t* const data_;
  const uint64_t* const gear_;
  uint64_t hash_ = 0;
};

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
  Search search(bytes);
  const auto early = search.Scan(sizes.min(), middle, Largest(bits + kNormalisation));
  if (early.has_value()) return *early;
  return search.Scan(middle, end, Largest(bits - kNormalisation)).value_or(end);
}

}  // namespace filesync
