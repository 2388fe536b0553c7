#include "libs/chunking/zero_run.h"

#include <gtest/gtest.h>

#include <string>

#include "libs/base/zeros.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

TEST(ZeroRunTest, IsWhatAnyLongRunOfZerosIsCutInto) {
  for (const uint32_t average : {64u << 10, 128u << 10, 256u << 10, 512u << 10}) {
    const ChunkSizes sizes{average};
    const ChunkRef& chunk = ZeroChunk(sizes);
    for (const size_t more : {size_t{0}, size_t{1}, size_t{123'456}}) {
      std::string data(sizes.max() + more, '\0');
      data += "what comes after";
      EXPECT_EQ(FirstChunkLength(data, sizes), chunk.size);
    }
    EXPECT_EQ(ZeroChunkBytes(sizes), std::string(chunk.size, '\0'));
    EXPECT_EQ(HashChunk(ChunkKind::kData, ZeroChunkBytes(sizes)), chunk.id);
  }
}

TEST(ZeroRunTest, OneOtherByteAnywhereIsSeen) {
  EXPECT_TRUE(IsAllZero(""));
  std::string bytes(4096, '\0');
  EXPECT_TRUE(IsAllZero(bytes));
  for (const size_t at : {size_t{0}, size_t{1}, size_t{2048}, size_t{4095}}) {
    bytes[at] = 1;
    EXPECT_FALSE(IsAllZero(bytes)) << at;
    bytes[at] = 0;
  }
}

}  // namespace
}  // namespace filesync
