#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <random>
#include <set>

#include "libs/chunking/content_list.h"
#include "libs/chunking/fast_cdc.h"

namespace filesync {
namespace {

std::string Noise(size_t size, uint32_t seed) {
  std::mt19937_64 generator(seed);
  std::string bytes(size, '\0');
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = generator();
    for (int b = 0; b < 8; ++b) bytes[i + b] = static_cast<char>(word >> (8 * b));
  }
  return bytes;
}

std::vector<ChunkRef> Cut(std::string_view data, const ChunkSizes& sizes) {
  std::vector<ChunkRef> chunks;
  while (!data.empty()) {
    const size_t length = FirstChunkLength(data, sizes);
    chunks.push_back(
        {HashChunk(ChunkKind::kData, data.substr(0, length)), static_cast<uint32_t>(length)});
    data.remove_prefix(length);
  }
  return chunks;
}

TEST(FastCdc, ChunksStayWithinTheirLimits) {
  for (const uint32_t average : {64u << 10, 512u << 10}) {
    const ChunkSizes sizes{average};
    const std::vector<ChunkRef> chunks = Cut(Noise(32 << 20, 1), sizes);
    uint64_t sum = 0;
    for (size_t i = 0; i < chunks.size(); ++i) {
      EXPECT_LE(chunks[i].size, sizes.max());
      if (i + 1 < chunks.size()) {
        EXPECT_GE(chunks[i].size, sizes.min());
      }
      sum += chunks[i].size;
    }
    EXPECT_EQ(sum, 32u << 20);
    const double mean = static_cast<double>(sum) / static_cast<double>(chunks.size());
    EXPECT_GT(mean, average * 0.7);
    EXPECT_LT(mean, average * 1.5);
  }
}

TEST(FastCdc, BoundariesAreOfTheFormat) {
  // Boundaries of noise with a fixed seed: a change here breaks deduplication with all stores.
  const std::vector<ChunkRef> chunks = Cut(Noise(1 << 20, 42), ChunkSizes{});
  std::vector<uint32_t> sizes;
  for (const ChunkRef& chunk : chunks) sizes.push_back(chunk.size);
  EXPECT_EQ(sizes, (std::vector<uint32_t>{72961, 72461, 90886, 69197, 77043, 70371, 45618, 70339,
                                          69993, 74372, 68100, 69744, 45767, 79614, 72110}));
}

TEST(FastCdc, AnInsertionChangesFewChunks) {
  const std::string before = Noise(16 << 20, 7);
  const std::string after = Noise(1024, 8) + before;
  std::set<ChunkId> known;
  for (const ChunkRef& chunk : Cut(before, ChunkSizes{})) known.insert(chunk.id);
  uint64_t fresh = 0;
  for (const ChunkRef& chunk : Cut(after, ChunkSizes{})) {
    if (!known.contains(chunk.id)) fresh += chunk.size;
  }
  EXPECT_LT(fresh, 512u << 10);
}

TEST(FastCdc, SmallFilesAreOneChunk) {
  const std::string small = Noise(16 << 10, 3);
  EXPECT_EQ(FirstChunkLength(small, ChunkSizes{}), small.size());
  EXPECT_EQ(FirstChunkLength("", ChunkSizes{}), 0u);
}

TEST(ChunkSizes, GrowWithTheFile) {
  EXPECT_EQ(ChunkSizes::ForFileSize(0).average, 64u << 10);
  EXPECT_EQ(ChunkSizes::ForFileSize(uint64_t{1} << 30).average, 64u << 10);
  EXPECT_EQ(ChunkSizes::ForFileSize((uint64_t{1} << 30) + 1).average, 128u << 10);
  EXPECT_EQ(ChunkSizes::ForFileSize(uint64_t{1} << 40).average, 512u << 10);
}

TEST(ChunkSizes, StayWhenAFileGrowsOverABorder) {
  const uint64_t border = uint64_t{4} << 30;
  EXPECT_EQ(ChunkSizes::ForFileSize(border).average, 256u << 10);
  EXPECT_EQ(ChunkSizes::ForFileSize(border + 1024).average, 512u << 10);
  EXPECT_EQ(ChunkSizes::ForFileSize(border + 1024, 256 << 10).average, 256u << 10);
  EXPECT_EQ(ChunkSizes::ForFileSize(border * 3, 256 << 10).average, 512u << 10);
  EXPECT_EQ(ChunkSizes::ForFileSize(border, 12345).average, 256u << 10);
}

std::vector<ChunkRef> ManyRefs(size_t count, uint32_t seed) {
  std::vector<ChunkRef> refs;
  for (size_t i = 0; i < count; ++i) {
    refs.push_back({HashChunk(ChunkKind::kData, std::to_string(seed) + "/" + std::to_string(i)),
                    static_cast<uint32_t>(i % 1000 + 1)});
  }
  return refs;
}

struct Built {
  Content content;
  std::map<ChunkId, std::string> pieces;
  ListReader reader() const {
    return [this](const std::vector<ChunkId>& ids) -> absl::StatusOr<std::vector<std::string>> {
      std::vector<std::string> plain;
      for (const ChunkId& id : ids) {
        const auto it = pieces.find(id);
        if (it == pieces.end()) return absl::NotFoundError("missing");
        plain.push_back(it->second);
      }
      return plain;
    };
  }
};

Built Build(const std::vector<ChunkRef>& refs) {
  ContentBuilder builder(64 << 10);
  for (const ChunkRef& ref : refs) builder.Add(ref);
  std::vector<ListPiece> pieces;
  Built built;
  built.content = *builder.Finish(pieces);
  for (ListPiece& piece : pieces) built.pieces[piece.id] = std::move(piece.plain);
  return built;
}

TEST(ContentList, ShortOnesStandInline) {
  const std::vector<ChunkRef> refs = ManyRefs(1024, 1);
  const Built built = Build(refs);
  EXPECT_EQ(built.content.depth, 0u);
  EXPECT_TRUE(built.pieces.empty());
  EXPECT_EQ(*DataChunks(built.content, built.reader()), refs);
}

TEST(ContentList, LongOnesAreCutIntoPieces) {
  for (const size_t count : {1025u, 20'000u}) {
    const std::vector<ChunkRef> refs = ManyRefs(count, 2);
    const Built built = Build(refs);
    EXPECT_EQ(built.content.depth, 1u);
    EXPECT_EQ(*DataChunks(built.content, built.reader()), refs);
  }
}

TEST(ContentList, AnEditRewritesOnePiece) {
  std::vector<ChunkRef> refs = ManyRefs(20'000, 3);
  const Built before = Build(refs);
  refs[10'000].size += 1;
  const Built after = Build(refs);
  size_t fresh = 0;
  for (const auto& [id, plain] : after.pieces) fresh += before.pieces.contains(id) ? 0 : 1;
  EXPECT_EQ(fresh, 1u);
}

TEST(ContentList, DamageIsFound) {
  const Built built = Build(ManyRefs(5'000, 4));
  Built missing = built;
  missing.pieces.erase(missing.pieces.begin());
  EXPECT_TRUE(absl::IsNotFound(DataChunks(missing.content, missing.reader()).status()));
  Built cut = built;
  cut.pieces.begin()->second.pop_back();
  EXPECT_TRUE(absl::IsDataLoss(DataChunks(cut.content, cut.reader()).status()));
  Content wrong_size = built.content;
  wrong_size.size += 1;
  EXPECT_TRUE(absl::IsDataLoss(DataChunks(wrong_size, built.reader()).status()));
  Content wrong_depth = built.content;
  wrong_depth.depth = 9;
  EXPECT_TRUE(absl::IsDataLoss(DataChunks(wrong_depth, built.reader()).status()));
  Content posing = built.content;
  posing.depth = 2;
  EXPECT_TRUE(absl::IsDataLoss(DataChunks(posing, built.reader()).status()));
}

RC_GTEST_PROP(ContentListProperty, AnyBytesAreParsedOrRefused, (const std::string& bytes)) {
  const absl::StatusOr<std::vector<ChunkRef>> refs = ParseListPiece("FSL1" + bytes, 0);
  RC_ASSERT(refs.ok() || absl::IsDataLoss(refs.status()));
}

}  // namespace
}  // namespace filesync
