// What it costs to cut and hash a file's bytes, as the agent does before it sends anything.
#include <benchmark/benchmark.h>

#include <random>
#include <string>

#include "libs/chunking/content_list.h"
#include "libs/chunking/fast_cdc.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

// More than the caches hold, as a file in the page cache is.
const std::string& Bytes() {
  static const std::string kBytes = [] {
    std::mt19937_64 random(1);
    std::string bytes(256 << 20, '\0');
    for (size_t i = 0; i < bytes.size(); i += 8) {
      const uint64_t word = random();
      bytes.replace(i, 8, reinterpret_cast<const char*>(&word), 8);
    }
    return bytes;
  }();
  return kBytes;
}

void BM_Cut(benchmark::State& state) {
  const ChunkSizes sizes{static_cast<uint32_t>(state.range(0))};
  Bytes();  // made before the clock runs
  for (auto _ : state) {
    std::string_view rest = Bytes();
    while (!rest.empty()) rest.remove_prefix(FirstChunkLength(rest, sizes));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(Bytes().size()));
}
BENCHMARK(BM_Cut)->Arg(64 << 10)->Arg(512 << 10)->Unit(benchmark::kMillisecond);

void BM_CutAndHash(benchmark::State& state) {
  const ChunkSizes sizes{static_cast<uint32_t>(state.range(0))};
  Bytes();  // made before the clock runs
  for (auto _ : state) {
    ContentBuilder builder(sizes.average);
    std::string_view rest = Bytes();
    while (!rest.empty()) {
      const size_t length = FirstChunkLength(rest, sizes);
      builder.Add(
          {HashChunk(ChunkKind::kData, rest.substr(0, length)), static_cast<uint32_t>(length)});
      rest.remove_prefix(length);
    }
    std::vector<ListPiece> pieces;
    benchmark::DoNotOptimize(builder.Finish(pieces));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(Bytes().size()));
}
BENCHMARK(BM_CutAndHash)->Arg(64 << 10)->Arg(512 << 10)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace filesync
