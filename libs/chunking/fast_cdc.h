// FastCdc: content-defined chunk boundaries.
//
// FastCDC (Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for
// Data Deduplication", USENIX ATC 2016)
// with normalised chunking on a Gear hash. The Gear table is derived, not invented: entry i is
// the first 8 bytes, big-endian, of BLAKE3 derive-key("filesync 2026 gear table v1") over
// byte i. Boundaries are part of the format; golden vectors hold them. Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace filesync {

// A chunk-size class: min = average/4, max = average*4. `average` is a power of two from
// 64 KiB to 512 KiB.
struct ChunkSizes {
  uint32_t average = 64 << 10;
  uint32_t min() const { return average / 4; }
  uint32_t max() const { return average * 4; }

  static bool IsValidAverage(uint32_t average);
  // The class of a file of `size` bytes: the smallest average that keeps it at or under 16,384
  // chunks on average. `previous_average` (0: none) is the class the file had before; it is
  // kept while the size is within a factor of two of what the class is for, so that a file
  // that grows over a border does not change every chunk.
  static ChunkSizes ForFileSize(uint64_t size, uint32_t previous_average = 0);
};

// Length of the first chunk of `data`. `data` must hold at least sizes.max() bytes, or be the
// file's whole rest (then the result may be all of it). 0 only for empty data. A rest of up to
// sizes.min() bytes is one chunk.
size_t FirstChunkLength(std::string_view data, const ChunkSizes& sizes);

}  // namespace filesync
