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

// Words with spaces between them, the short ones most often.
const std::string& Text() {
  static const std::string kText = [] {
    std::mt19937_64 random(2);
    std::string text;
    while (text.size() < 64 << 20) {
      for (uint64_t bits = random() | 1; bits % 8 != 0; bits /= 8) text += "etaoinsr"[random() % 8];
      text += random() % 16 == 0 ? '\n' : ' ';
    }
    return text;
  }();
  return kText;
}

void Cut(benchmark::State& state, std::string_view bytes) {
  const ChunkSizes sizes{static_cast<uint32_t>(state.range(0))};
  for (auto _ : state) {
    std::string_view rest = bytes;
    while (!rest.empty()) rest.remove_prefix(FirstChunkLength(rest, sizes));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}

void BM_Cut(benchmark::State& state) { Cut(state, Bytes()); }
BENCHMARK(BM_Cut)->Arg(64 << 10)->Arg(512 << 10)->Unit(benchmark::kMillisecond);

void BM_CutText(benchmark::State& state) { Cut(state, Text()); }
BENCHMARK(BM_CutText)->Arg(64 << 10)->Arg(512 << 10)->Unit(benchmark::kMillisecond);

// What was just read is still in a cache.
void BM_CutWhatWasJustRead(benchmark::State& state) {
  Cut(state, std::string_view(Bytes()).substr(0, 768 << 10));
}
BENCHMARK(BM_CutWhatWasJustRead)->Arg(64 << 10)->Arg(512 << 10)->Unit(benchmark::kMicrosecond);

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
