#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "libs/base/coding.h"
#include "libs/content/content.h"
#include "libs/content/frame.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

std::string Repeated(std::string_view pattern, size_t size) {
  std::string bytes;
  while (bytes.size() < size) bytes.append(pattern);
  bytes.resize(size);
  return bytes;
}

TEST(Hasher, DataIsPlainBlake3) {
  // The first test vector of the BLAKE3 paper's reference implementation: no input.
  EXPECT_EQ(HashChunk(ChunkKind::kData, "").ToHex(),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
}

TEST(Hasher, ListsAreHashedInAnotherDomain) {
  EXPECT_NE(HashChunk(ChunkKind::kData, "FSL1"), HashChunk(ChunkKind::kList, "FSL1"));
}

TEST(Hasher, ContentIdentityDependsOnOrderAndSizes) {
  const ChunkRef a{HashChunk(ChunkKind::kData, "a"), 1};
  const ChunkRef b{HashChunk(ChunkKind::kData, "b"), 1};
  ContentHasher ab, ba, other_size;
  ab.Add(a), ab.Add(b);
  ba.Add(b), ba.Add(a);
  other_size.Add(a), other_size.Add({b.id, 2});
  EXPECT_NE(ab.Finish(), ba.Finish());
  EXPECT_NE(ab.Finish(), other_size.Finish());
}

TEST(Frame, CompressesWhatPays) {
  const std::string text = Repeated("all work and no play ", 100'000);
  const std::string frame = EncodeFrame(text);
  EXPECT_EQ(frame[0], static_cast<char>(FrameCodec::kZstd));
  EXPECT_LT(frame.size(), text.size() / 20);
  EXPECT_EQ(*DecodeFrame(absl::Cord(frame)), text);
}

TEST(Frame, LeavesNoiseRaw) {
  const std::string noise = RandomBytes(100'000);
  const std::string frame = EncodeFrame(noise);
  EXPECT_EQ(frame[0], static_cast<char>(FrameCodec::kRaw));
  EXPECT_EQ(frame.size(), noise.size() + kFrameHeaderSize);
}

TEST(Frame, RefusesLies) {
  std::string too_short = EncodeFrame("hello");
  too_short.pop_back();
  EXPECT_TRUE(absl::IsDataLoss(DecodeFrame(absl::Cord(too_short)).status()));
  std::string huge = EncodeFrame("hello");
  huge[1] = '\x7f';
  EXPECT_TRUE(absl::IsDataLoss(DecodeFrame(absl::Cord(huge)).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeFrame(absl::Cord()).status()));
  EXPECT_TRUE(
      absl::IsDataLoss(DecodeFrame(absl::Cord(std::string("\x09\0\0\0\x01x", 6))).status()));
  // A frame that decompresses to more than it declares.
  std::string bomb = EncodeFrame(Repeated("x", 100'000));
  bomb[2] = 0, bomb[3] = 0, bomb[4] = 10;
  EXPECT_TRUE(absl::IsDataLoss(DecodeFrame(absl::Cord(bomb)).status()));
}

TEST(Frame, VerifiesIdAndKind) {
  const absl::Cord frame(EncodeFrame("hello"));
  const ChunkId id = HashChunk(ChunkKind::kData, "hello");
  EXPECT_TRUE(DecodeAndVerifyFrame(frame, ChunkKind::kData, id).ok());
  EXPECT_TRUE(absl::IsDataLoss(DecodeAndVerifyFrame(frame, ChunkKind::kList, id).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeAndVerifyFrame(frame, ChunkKind::kData, ChunkId()).status()));
}

RC_GTEST_PROP(FrameProperty, RoundTrips, (const std::string& plain)) {
  RC_ASSERT(*DecodeFrame(absl::Cord(EncodeFrame(plain))) == plain);
  RC_ASSERT(EncodeFrame(plain).size() <= plain.size() + kFrameHeaderSize);
}

RC_GTEST_PROP(FrameProperty, AnyBytesAreDecodedOrRefused, (const std::string& bytes)) {
  const absl::StatusOr<absl::Cord> plain = DecodeFrame(absl::Cord(bytes));
  RC_ASSERT(plain.ok() || absl::IsDataLoss(plain.status()));
}

// The same bytes, in pieces of `size`.
absl::Cord InPieces(std::string_view bytes, size_t size) {
  absl::Cord cord;
  while (!bytes.empty()) {
    auto* piece = new std::string(bytes.substr(0, size));
    cord.Append(absl::MakeCordFromExternal(*piece, [piece] { delete piece; }));
    bytes.remove_prefix(std::min(size, bytes.size()));
  }
  return cord;
}

TEST(FrameTest, PiecesMakeNoDifference) {
  const std::string noise = RandomBytes(100'000);
  for (const std::string& plain :
       {std::string(), std::string("hello"), noise, std::string(100'000, 'x')}) {
    const std::string frame = EncodeFrame(plain);
    const ChunkId id = HashChunk(ChunkKind::kData, plain);
    for (const size_t size : {1, 3, 5, 777, 16 << 10, 40'000, 200'000}) {
      SCOPED_TRACE(size);
      EXPECT_EQ(EncodeFrame(InPieces(plain, size)), frame);
      EXPECT_EQ(HashChunk(ChunkKind::kData, InPieces(plain, size)), id);
      const absl::Cord pieces = InPieces(frame, size);
      EXPECT_EQ(*FramePlainSize(pieces), plain.size());
      const auto decoded = DecodeAndVerifyFrame(pieces, ChunkKind::kData, id);
      ASSERT_TRUE(decoded.ok()) << decoded.status();
      EXPECT_EQ(*decoded, plain);
      EXPECT_FALSE(DecodeAndVerifyFrame(pieces, ChunkKind::kList, id).ok());
    }
  }
}

TEST(FrameTest, RawFrameSharesItsPlainBytes) {
  const std::string noise = RandomBytes(100'000);
  bool held = true;
  absl::Cord frame;
  {
    const absl::Cord plain = absl::MakeCordFromExternal(noise, [&held] { held = false; });
    frame = EncodeFrame(plain);
  }
  EXPECT_TRUE(held);
  absl::StatusOr<absl::Cord> decoded = DecodeFrame(frame);
  ASSERT_TRUE(decoded.ok());
  ASSERT_TRUE(decoded->TryFlat().has_value());
  EXPECT_EQ(decoded->TryFlat()->data(), noise.data());
  frame.Clear();
  decoded->Clear();
  EXPECT_FALSE(held);
}

}  // namespace
}  // namespace filesync
