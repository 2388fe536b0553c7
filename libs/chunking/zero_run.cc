#include "libs/chunking/zero_run.h"

#include <array>
#include <bit>
#include <string>

#include "libs/content/hasher.h"

namespace filesync {
namespace {

constexpr uint32_t kSmallestAverage = 64 << 10;
constexpr uint32_t kLargestAverage = 512 << 10;
constexpr size_t kClasses = std::bit_width(kLargestAverage / kSmallestAverage);

const std::string& Zeros() {
  static const auto* const kZeros = new std::string(ChunkSizes{kLargestAverage}.max(), '\0');
  return *kZeros;
}

}  // namespace

const ChunkRef& ZeroChunk(const ChunkSizes& sizes) {
  static const auto* const kChunks = [] {
    auto* chunks = new std::array<ChunkRef, kClasses>;
    for (size_t i = 0; i < kClasses; ++i) {
      const ChunkSizes of_class{kSmallestAverage << i};
      const std::string_view zeros = std::string_view(Zeros()).substr(0, of_class.max());
      const size_t length = FirstChunkLength(zeros, of_class);
      (*chunks)[i] = {HashChunk(ChunkKind::kData, zeros.substr(0, length)),
                      static_cast<uint32_t>(length)};
    }
    return chunks;
  }();
  return kChunks->at(std::bit_width(sizes.average / kSmallestAverage) - 1);
}

std::string_view ZeroChunkBytes(const ChunkSizes& sizes) {
  return std::string_view(Zeros()).substr(0, ZeroChunk(sizes).size);
}

}  // namespace filesync
