// What only packs have: files that grow, end, get lost and get damaged.

#include "libs/chunk_store/pack_chunk_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/content/frame.h"
#include "libs/content/hasher.h"
#include "libs/kv/faulty_store.h"

namespace filesync {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

constexpr size_t kPackSize = 100'000;

StoredChunk MakeChunk(size_t size, int seed) {
  std::mt19937_64 random(seed);
  std::string plain(size, '\0');
  for (char& c : plain) c = static_cast<char>(random());
  return {HashChunk(ChunkKind::kData, plain), ChunkKind::kData, absl::Cord(EncodeFrame(plain))};
}

class PackChunkStoreTest : public testing::Test {
 protected:
  PackChunkStoreTest() { Open(); }
  ~PackChunkStoreTest() override { fs::remove_all(directory_); }

  absl::Status TryOpen() {
    store_.reset();
    PackChunkStoreOptions options;
    options.directory = directory_;
    options.chunks = 0;
    options.packs = 1;
    options.smallest_packed = 1000;
    options.pack_size = kPackSize;
    auto store = OpenPackChunkStore(kv_.get(), options);
    if (store.ok()) store_ = *std::move(store);
    return store.status();
  }
  void Open() { ASSERT_EQ(TryOpen(), absl::OkStatus()); }

  std::string Pack(int number) const {
    return directory_ + "/000000000" + std::to_string(number) + ".pack";
  }
  uint64_t DiskBytes() const {
    uint64_t sum = 0;
    for (const auto& file : fs::directory_iterator(directory_)) {
      struct stat figures = {};
      EXPECT_EQ(stat(file.path().c_str(), &figures), 0);
      sum += figures.st_blocks * 512;
    }
    return sum;
  }
  void ExpectHas(const StoredChunk& chunk) {
    const auto frames = store_->Get({chunk.id});
    ASSERT_TRUE(frames.ok()) << frames.status();
    EXPECT_THAT(*frames, ElementsAre(Optional(chunk.frame)));
  }

  const std::string directory_ = [] {
    std::string path = testing::TempDir() + "/filesync_packs_XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    return path;
  }();
  const std::unique_ptr<KvStore> kv_ = NewMemoryKvStore(2);
  std::unique_ptr<ChunkStore> store_;
};

TEST_F(PackChunkStoreTest, AppendsToOnePackUntilItIsFull) {
  std::vector<StoredChunk> chunks;
  for (int i = 0; i < 12; ++i) {
    chunks.push_back(MakeChunk(20'000, i));
    ASSERT_TRUE(store_->Put({chunks.back()}).ok());
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_), {}), 3);
  EXPECT_EQ(fs::file_size(Pack(1)), 5 * chunks[0].frame.size());
  for (const StoredChunk& chunk : chunks) ExpectHas(chunk);
}

TEST_F(PackChunkStoreTest, GoesOnWhereItWasWhenItIsOpenedAgain) {
  const StoredChunk one = MakeChunk(20'000, 1);
  const StoredChunk two = MakeChunk(20'000, 2);
  ASSERT_TRUE(store_->Put({one}).ok());
  Open();
  ASSERT_TRUE(store_->Put({two}).ok());
  EXPECT_EQ(fs::file_size(Pack(1)), one.frame.size() + two.frame.size());
  ExpectHas(one);
  ExpectHas(two);
}

TEST_F(PackChunkStoreTest, SmallFramesNeedNoPack) {
  const StoredChunk chunk = MakeChunk(500, 1);
  ASSERT_TRUE(store_->Put({chunk}).ok());
  EXPECT_TRUE(fs::is_empty(directory_));
  ExpectHas(chunk);
}

TEST_F(PackChunkStoreTest, WhatIsStoredIsNotWrittenAgain) {
  const StoredChunk chunk = MakeChunk(20'000, 1);
  ASSERT_TRUE(store_->Put({chunk, chunk}).ok());
  ASSERT_TRUE(store_->Put({chunk}).ok());
  EXPECT_EQ(fs::file_size(Pack(1)), chunk.frame.size());
}

// What a crash leaves behind the last frame that the table names.
TEST_F(PackChunkStoreTest, BytesThatNobodyNamesDoNoHarm) {
  const StoredChunk one = MakeChunk(20'000, 1);
  const StoredChunk two = MakeChunk(20'000, 2);
  ASSERT_TRUE(store_->Put({one}).ok());
  std::ofstream(Pack(1), std::ios::app) << std::string(777, 'x');
  Open();
  ASSERT_TRUE(store_->Put({two}).ok());
  ExpectHas(one);
  ExpectHas(two);
}

TEST_F(PackChunkStoreTest, NumbersOfUnknownPacksAreNotUsedAgain) {
  std::ofstream(directory_ + "/0000000007.pack") << "of another time";
  Open();
  ASSERT_TRUE(store_->Put({MakeChunk(20'000, 1)}).ok());
  EXPECT_TRUE(fs::exists(Pack(8)));
  EXPECT_EQ(fs::file_size(Pack(7)), 15u);
}

TEST_F(PackChunkStoreTest, DeletingGivesTheSpaceBack) {
  const StoredChunk kept = MakeChunk(30'000, 1);
  const StoredChunk gone = MakeChunk(60'000, 2);
  ASSERT_TRUE(store_->Put({kept, gone}).ok());
  const uint64_t before = DiskBytes();
  ASSERT_TRUE(store_->Delete({gone.id}).ok());
  EXPECT_LE(DiskBytes(), before - 50'000);
  ExpectHas(kept);
}

TEST_F(PackChunkStoreTest, MissingPackIsNoticedAtOpening) {
  ASSERT_TRUE(store_->Put({MakeChunk(20'000, 1)}).ok());
  fs::remove(Pack(1));
  const absl::Status opened = TryOpen();
  EXPECT_TRUE(absl::IsDataLoss(opened)) << opened;
  EXPECT_THAT(std::string(opened.message()), HasSubstr("0000000001.pack"));
  EXPECT_THAT(std::string(opened.message()), HasSubstr("restore"));
}

TEST_F(PackChunkStoreTest, CutPackIsNoticedAtOpening) {
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(store_->Put({MakeChunk(20'000, i)}).ok());
  fs::resize_file(Pack(1), 99'000);
  EXPECT_TRUE(absl::IsDataLoss(TryOpen()));
}

TEST_F(PackChunkStoreTest, CutCurrentPackIsNoticedWhenItIsRead) {
  const StoredChunk chunk = MakeChunk(20'000, 1);
  ASSERT_TRUE(store_->Put({chunk}).ok());
  fs::resize_file(Pack(1), 10'000);
  Open();
  const absl::Status got = store_->Get({chunk.id}).status();
  EXPECT_TRUE(absl::IsDataLoss(got)) << got;
  EXPECT_THAT(std::string(got.message()), HasSubstr(chunk.id.ToHex()));
}

TEST_F(PackChunkStoreTest, UnreadableTablesAreDamage) {
  const StoredChunk chunk = MakeChunk(20'000, 1);
  for (const std::string& value :
       {std::string(), std::string("\1short"), std::string("\x09 what")}) {
    KvBatch batch;
    batch.Put(0, std::string(chunk.id.bytes()), value);
    ASSERT_TRUE(kv_->Write(batch, true).ok());
    EXPECT_TRUE(absl::IsDataLoss(store_->Get({chunk.id}).status()));
  }
  KvBatch batch;
  batch.Put(1, "what", "ever");
  ASSERT_TRUE(kv_->Write(batch, true).ok());
  EXPECT_TRUE(absl::IsDataLoss(TryOpen()));
}

// A limit on file sizes is as a full disk that fills in the middle of a frame.
TEST_F(PackChunkStoreTest, FullDiskIsSaidAndWritingGoesOnWhenThereIsRoom) {
  const StoredChunk before = MakeChunk(20'000, 1);
  const StoredChunk during = MakeChunk(30'000, 2);
  ASSERT_TRUE(store_->Put({before}).ok());
  rlimit old = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight = {40'000, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const uint64_t bytes_before = DiskBytes();
  const absl::Status full = store_->Put({during});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  // Of what could not be written whole nothing stays but parts of blocks.
  EXPECT_LE(DiskBytes(), bytes_before + 8192);
  EXPECT_THAT(*store_->Has({before.id, during.id}), ElementsAre(true, false));
  ASSERT_TRUE(store_->Put({during}).ok());
  ExpectHas(before);
  ExpectHas(during);
  Open();
  ExpectHas(before);
  ExpectHas(during);
}

// What the table says of a pack that is ended must be true at that moment, whoever still writes to
// it: a process that is killed then has to start again.
TEST_F(PackChunkStoreTest, AnEndedPackIsNeverRememberedLongerThanItIs) {
  std::atomic<int> remembered = 0;
  const std::unique_ptr<KvStore> kv =
      NewFaultyKvStore(NewMemoryKvStore(2), [&](const KvBatch& batch) {
        for (const KvBatch::Operation& operation : batch.operations()) {
          if (operation.table != 1) continue;
          const auto number = static_cast<int>(ReadBigEndian64(operation.key.data()));
          const std::string pack = fmt::format("{}/{:010}.pack", directory_, number);
          EXPECT_GE(fs::file_size(pack), ReadBigEndian64(operation.value->data()));
          ++remembered;
        }
        return absl::OkStatus();
      });
  PackChunkStoreOptions options{.directory = directory_,
                                .chunks = 0,
                                .packs = 1,
                                .smallest_packed = 1000,
                                .pack_size = kPackSize};
  const auto store = OpenPackChunkStore(kv.get(), options);
  ASSERT_TRUE(store.ok()) << store.status();
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; i < 60; ++i) {
        EXPECT_TRUE((*store)->Put({MakeChunk(20'000, writer * 1000 + i)}).ok());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_GE(remembered, 40);
}

}  // namespace
}  // namespace filesync
