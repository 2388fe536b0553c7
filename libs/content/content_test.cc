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
  EXPECT_EQ(*DecodeFrame(frame), text);
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
  EXPECT_TRUE(absl::IsDataLoss(DecodeFrame(too_short).status()));
  std::string huge = EncodeFrame("hello");
  huge[1] = '\x7f';
  EXPECT_TRUE(absl::IsDataLoss(DecodeFrame(huge).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeFrame("").status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeFrame(std::string("\x09\0\0\0\x01x", 6)).status()));
  // A frame that decompresses to more than it declares.
  std::string bomb = EncodeFrame(Repeated("x", 100'000));
  bomb[2] = 0, bomb[3] = 0, bomb[4] = 10;
  EXPECT_TRUE(absl::IsDataLoss(DecodeFrame(bomb).status()));
}

TEST(Frame, VerifiesIdAndKind) {
  const std::string frame = EncodeFrame("hello");
  const ChunkId id = HashChunk(ChunkKind::kData, "hello");
  EXPECT_TRUE(DecodeAndVerifyFrame(frame, ChunkKind::kData, id).ok());
  EXPECT_TRUE(absl::IsDataLoss(DecodeAndVerifyFrame(frame, ChunkKind::kList, id).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeAndVerifyFrame(frame, ChunkKind::kData, ChunkId()).status()));
}

RC_GTEST_PROP(FrameProperty, RoundTrips, (const std::string& plain)) {
  RC_ASSERT(*DecodeFrame(EncodeFrame(plain)) == plain);
  RC_ASSERT(EncodeFrame(plain).size() <= plain.size() + kFrameHeaderSize);
}

RC_GTEST_PROP(FrameProperty, AnyBytesAreDecodedOrRefused, (const std::string& bytes)) {
  const absl::StatusOr<std::string> plain = DecodeFrame(bytes);
  RC_ASSERT(plain.ok() || absl::IsDataLoss(plain.status()));
}

TEST(FrameTest, PackedLaterIsTheSameAsEncodedAtOnce) {
  const std::string noise = RandomBytes(100'000);
  for (const std::string& plain : {std::string(), noise, std::string(100'000, 'x')}) {
    EXPECT_EQ(EncodeFrame(plain), PackFrame(RawFrame(plain)));
    std::string scratch;
    const ChunkId id = HashChunk(ChunkKind::kData, plain);
    const std::string frame = EncodeFrame(plain);
    const auto decoded = DecodeAndVerifyFrame(frame, ChunkKind::kData, id, scratch);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, plain);
    EXPECT_FALSE(DecodeAndVerifyFrame(frame, ChunkKind::kList, id, scratch).ok());
  }
}

}  // namespace
}  // namespace filesync
