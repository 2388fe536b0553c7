#include "libs/content/looks.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace filesync {
namespace {

std::string Random(size_t size) {
  std::mt19937_64 random(size);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

TEST(LooksTest, WhatPeopleWriteIsText) {
  EXPECT_EQ(LookAtBytes("int main() {\n\treturn 0;\r\n}\n" + std::string(80, 'x')), Looks::kText);
  std::string accents;
  while (accents.size() < kLooksBytes) accents += "Übermäßig 日本 ";
  EXPECT_EQ(LookAtBytes(accents), Looks::kText);
  // Base64 and the like hold much, and are text.
  std::string dense;
  for (const char c : Random(3000)) dense.push_back(static_cast<char>('0' + (c & 63)));
  EXPECT_EQ(LookAtBytes(dense), Looks::kText);
}

TEST(LooksTest, OneControlCharacterAnywhereIsNoText) {
  const std::string text(300, 'y');
  for (size_t at = 0; at < text.size(); ++at) {
    for (const char odd : {'\x01', '\x08', '\x0e', '\x1f', '\x7f', '\xff'}) {
      std::string bytes = text;
      bytes[at] = odd;
      EXPECT_EQ(LookAtBytes(bytes), Looks::kOther) << at;
    }
    std::string bytes = text;
    bytes.replace(at, 1, "\t\n\r\x1b~ ä");
    EXPECT_EQ(LookAtBytes(bytes), Looks::kText) << at;
  }
}

TEST(LooksTest, RandomBytesAreScrambled) {
  for (const size_t size : {64u, 200u, 1000u, 4096u, 100'000u}) {
    EXPECT_EQ(LookAtBytes(Random(size)), Looks::kScrambled) << size;
  }
  // Too short to tell.
  EXPECT_EQ(LookAtBytes(Random(63)), Looks::kText);
}

TEST(LooksTest, CompressedFormatsAreKnownByTheirBeginning) {
  EXPECT_EQ(LookAtBytes("\xff\xd8\xff\xe0" + Random(4000)), Looks::kKnown);
  EXPECT_EQ(LookAtBytes("PK\x03\x04" + Random(4000)), Looks::kKnown);
  EXPECT_EQ(LookAtBytes(Random(4) + "ftyp" + Random(4000)), Looks::kKnown);
}

TEST(LooksTest, BinariesWithPatternsAreNotScrambled) {
  std::string records;
  for (int i = 0; i < 500; ++i) {
    records += std::string("\x01\x02\0\0", 4) + static_cast<char>(i) + std::string(3, '\0');
  }
  EXPECT_EQ(LookAtBytes(records), Looks::kOther);
}

TEST(LooksTest, NothingIsBlank) {
  EXPECT_EQ(LookAtBytes(""), Looks::kBlank);
  EXPECT_EQ(LookAtBytes(std::string(5000, '\0')), Looks::kBlank);
  EXPECT_EQ(LookAtBytes("x"), Looks::kBlank);
}

}  // namespace
}  // namespace filesync
