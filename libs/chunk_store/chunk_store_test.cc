// The contract of ChunkStore, run on every form of it.

#include "libs/chunk_store/chunk_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <thread>

#include "libs/chunk_store/decorators.h"
#include "libs/chunk_store/pack_chunk_store.h"
#include "libs/content/frame.h"
#include "libs/content/hasher.h"
#include "libs/kv/rocksdb_store.h"

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::Eq;
using testing::Optional;

// A chunk of bytes that do not compress.
StoredChunk MakeChunk(size_t size, int seed) {
  std::mt19937_64 random(seed);
  std::string plain(size, '\0');
  for (char& c : plain) c = static_cast<char>(random());
  return {HashChunk(ChunkKind::kData, plain), ChunkKind::kData, absl::Cord(EncodeFrame(plain))};
}

// A store with what it stands on.
struct Opened {
  std::shared_ptr<KvStore> kv;
  std::unique_ptr<ChunkStore> chunks;
};

Opened OpenPacks(std::shared_ptr<KvStore> kv, const std::string& directory) {
  PackChunkStoreOptions options;
  options.directory = directory + "/packs";
  options.chunks = 0;
  options.packs = 1;
  options.smallest_packed = 1000;
  options.pack_size = 100'000;
  auto chunks = OpenPackChunkStore(kv.get(), options);
  EXPECT_TRUE(chunks.ok()) << chunks.status();
  return {kv, *std::move(chunks)};
}

struct Form {
  std::string name;
  std::function<Opened(const std::string& directory)> make;
};

Form MemoryForm() {
  return {"Memory", [](const std::string&) { return Opened{nullptr, NewMemoryChunkStore()}; }};
}
Form PacksForm() {
  return {"Packs", [](const std::string& directory) {
            return OpenPacks(std::shared_ptr<KvStore>(NewMemoryKvStore(2)), directory);
          }};
}
Form PacksOnRocksDbForm() {
  return {"PacksOnRocksDb", [](const std::string& directory) {
            RocksDbOptions options;
            options.directory = directory + "/store";
            options.tables = {{"chunks", true}, {"packs"}};
            auto store = OpenRocksDbStore(options);
            EXPECT_TRUE(store.ok()) << store.status();
            return OpenPacks(std::shared_ptr<KvStore>(*std::move(store)), directory);
          }};
}
Form VerifyingForm() {
  return {"Verifying", [](const std::string& directory) {
            Opened inner = PacksForm().make(directory);
            return Opened{inner.kv, NewVerifyingChunkStore(std::move(inner.chunks))};
          }};
}

// So small that what is asked for is partly remembered and partly not.
Form RecentForm() {
  return {"Recent", [](const std::string& directory) {
            Opened inner = PacksForm().make(directory);
            return Opened{inner.kv, NewRecentChunkStore(std::move(inner.chunks), 5'000)};
          }};
}

class ChunkStoreTest : public testing::TestWithParam<Form> {
 protected:
  ChunkStoreTest() : opened_(GetParam().make(directory_)) {}
  ~ChunkStoreTest() override {
    opened_ = {};
    std::filesystem::remove_all(directory_);
  }
  ChunkStore& store() { return *opened_.chunks; }

  std::vector<std::optional<absl::Cord>> Get(const std::vector<ChunkId>& ids) {
    auto frames = store().Get(ids);
    EXPECT_TRUE(frames.ok()) << frames.status();
    return *std::move(frames);
  }

  const std::string directory_ = [] {
    std::string path = testing::TempDir() + "/filesync_chunk_store_XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    return path;
  }();
  Opened opened_;
};

TEST_P(ChunkStoreTest, GivesBackWhatWasPutInTheOrderAsked) {
  const StoredChunk small = MakeChunk(10, 1);
  const StoredChunk large = MakeChunk(5'000, 2);
  const StoredChunk other = MakeChunk(70'000, 3);
  const StoredChunk absent = MakeChunk(100, 4);
  ASSERT_TRUE(store().Put({small, large, other}).ok());
  EXPECT_THAT(Get({other.id, absent.id, small.id, large.id, other.id}),
              ElementsAre(Optional(other.frame), Eq(std::nullopt), Optional(small.frame),
                          Optional(large.frame), Optional(other.frame)));
  EXPECT_THAT(*store().Has({large.id, absent.id, small.id}), ElementsAre(true, false, true));
}

// Whatever the sizes before it were: small ones say nothing of what follows.
TEST_P(ChunkStoreTest, ReadsNoMoreThanAskedFor) {
  const StoredChunk tiny = MakeChunk(10, 1);
  const StoredChunk large = MakeChunk(20'000, 2);
  const StoredChunk absent = MakeChunk(100, 4);
  ASSERT_TRUE(store().Put({tiny, large}).ok());
  std::vector<ChunkId> ids(16, tiny.id);
  ids.push_back(absent.id);
  ids.resize(200, large.id);
  const auto read = [&](size_t begin, size_t most_bytes) {
    const auto frames =
        store().Read({ids.begin() + static_cast<ptrdiff_t>(begin), ids.end()}, most_bytes);
    EXPECT_TRUE(frames.ok()) << frames.status();
    for (size_t i = 0; i < frames->size(); ++i) {
      const ChunkId& id = ids[begin + i];
      EXPECT_EQ((*frames)[i].has_value(), id != absent.id);
      if (id != absent.id) {
        EXPECT_EQ(*(*frames)[i], (id == tiny.id ? tiny : large).frame);
      }
    }
    return frames->size();
  };
  const size_t small = 16 * (tiny.frame.size() + 1);
  EXPECT_EQ(read(0, small + 2 * large.frame.size()), 19u);
  EXPECT_EQ(read(0, small), 17u);
  // One in any case.
  EXPECT_EQ(read(20, 1), 1u);
  EXPECT_EQ(read(16, 1), 1u);
  EXPECT_EQ(read(17, 3 * large.frame.size()), 3u);
  EXPECT_EQ(read(0, SIZE_MAX), ids.size());
}

TEST_P(ChunkStoreTest, NothingIsFineToo) {
  EXPECT_TRUE(store().Put({}).ok());
  EXPECT_TRUE(store().Delete({}).ok());
  EXPECT_THAT(Get({}), ElementsAre());
}

TEST_P(ChunkStoreTest, PutAgainAndTwiceInOneCallChangesNothing) {
  const StoredChunk chunk = MakeChunk(5'000, 5);
  ASSERT_TRUE(store().Put({chunk, chunk}).ok());
  ASSERT_TRUE(store().Put({chunk}).ok());
  EXPECT_THAT(Get({chunk.id}), ElementsAre(Optional(chunk.frame)));
}

TEST_P(ChunkStoreTest, DeletedIsAbsentAndCanBePutAgain) {
  const StoredChunk small = MakeChunk(10, 6);
  const StoredChunk large = MakeChunk(50'000, 7);
  const StoredChunk kept = MakeChunk(50'000, 8);
  ASSERT_TRUE(store().Put({small, large, kept}).ok());
  ASSERT_TRUE(store().Delete({small.id, large.id, MakeChunk(9, 9).id}).ok());
  EXPECT_THAT(*store().Has({small.id, large.id, kept.id}), ElementsAre(false, false, true));
  EXPECT_THAT(Get({large.id, kept.id}), ElementsAre(Eq(std::nullopt), Optional(kept.frame)));
  ASSERT_TRUE(store().Put({small, large}).ok());
  EXPECT_THAT(Get({small.id, large.id}), ElementsAre(Optional(small.frame), Optional(large.frame)));
}

TEST_P(ChunkStoreTest, VisitsAllInOrderUntilToldToStop) {
  std::map<ChunkId, std::string> expected;
  std::vector<StoredChunk> chunks;
  for (int i = 0; i < 20; ++i) {
    chunks.push_back(MakeChunk(i % 2 == 0 ? 10 + i : 3'000 + i, 100 + i));
    expected[chunks.back().id] = std::string(chunks.back().frame);
  }
  ASSERT_TRUE(store().Put(chunks).ok());
  std::vector<std::pair<ChunkId, std::string>> seen;
  ASSERT_TRUE(store()
                  .ForEach([&](const ChunkId& id, const absl::Cord& frame) {
                    seen.emplace_back(id, frame);
                    return true;
                  })
                  .ok());
  EXPECT_TRUE(std::equal(
      seen.begin(), seen.end(), expected.begin(), expected.end(),
      [](const auto& a, const auto& b) { return a.first == b.first && a.second == b.second; }));
  int visits = 0;
  ASSERT_TRUE(
      store().ForEach([&](const ChunkId&, const absl::Cord&) { return ++visits < 5; }).ok());
  EXPECT_EQ(visits, 5);
}

TEST_P(ChunkStoreTest, ServesManyAtOnce) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      for (int i = 0; i < 30; ++i) {
        // Half of them the others put as well.
        const StoredChunk chunk = MakeChunk(2'000 + i, i % 2 == 0 ? i : 1'000 * thread + i);
        EXPECT_TRUE(store().Put({chunk}).ok());
        EXPECT_THAT(Get({chunk.id}), ElementsAre(Optional(chunk.frame)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(Forms, ChunkStoreTest,
                         testing::Values(MemoryForm(), PacksForm(), PacksOnRocksDbForm(),
                                         VerifyingForm(), RecentForm()),
                         [](const auto& info) { return info.param.name; });

TEST(RecentChunkStoreTest, AsksNobodyForWhatWasStoredLast) {
  int gets = 0;
  const std::unique_ptr<ChunkStore> store = NewRecentChunkStore(
      NewFaultyChunkStore(NewMemoryChunkStore(), {.before =
                                                      [&](std::string_view operation) {
                                                        if (operation == "get") ++gets;
                                                        return absl::OkStatus();
                                                      }}),
      10'000);
  const std::vector<StoredChunk> chunks = {MakeChunk(6'000, 1), MakeChunk(3'000, 2),
                                           MakeChunk(3'000, 3)};
  for (const StoredChunk& chunk : chunks) ASSERT_TRUE(store->Put({chunk}).ok());
  EXPECT_THAT(*store->Get({chunks[1].id, chunks[2].id}),
              ElementsAre(Optional(chunks[1].frame), Optional(chunks[2].frame)));
  EXPECT_EQ(gets, 0);
  EXPECT_THAT(*store->Get({chunks[2].id, chunks[0].id}),
              ElementsAre(Optional(chunks[2].frame), Optional(chunks[0].frame)));
  EXPECT_EQ(gets, 1);
}

TEST(RecentChunkStoreTest, RemembersNothingThatWasNotStored) {
  bool full = true;
  const std::unique_ptr<ChunkStore> store = NewRecentChunkStore(
      NewFaultyChunkStore(NewMemoryChunkStore(),
                          {.before = [&](std::string_view operation) -> absl::Status {
                            if (operation == "put" && full) {
                              return absl::ResourceExhaustedError("full");
                            }
                            return absl::OkStatus();
                          }}),
      10'000);
  const StoredChunk chunk = MakeChunk(100, 1);
  EXPECT_FALSE(store->Put({chunk}).ok());
  EXPECT_THAT(*store->Get({chunk.id}), ElementsAre(Eq(std::nullopt)));
  full = false;
  ASSERT_TRUE(store->Put({chunk}).ok());
  ASSERT_TRUE(store->Delete({chunk.id}).ok());
  EXPECT_THAT(*store->Get({chunk.id}), ElementsAre(Eq(std::nullopt)));
}

TEST(VerifyingChunkStoreTest, RefusesFramesThatLieAndStoresNothingOfTheCall) {
  const std::unique_ptr<ChunkStore> store = NewVerifyingChunkStore(NewMemoryChunkStore());
  const StoredChunk good = MakeChunk(100, 1);
  StoredChunk other_bytes = MakeChunk(100, 2);
  other_bytes.id = good.id;
  StoredChunk other_kind = MakeChunk(100, 3);
  other_kind.kind = ChunkKind::kList;
  StoredChunk cut = MakeChunk(100, 4);
  cut.frame.RemoveSuffix(1);
  StoredChunk huge = MakeChunk(100, 5);
  std::string lie(huge.frame);
  lie[1] = '\x7f';
  huge.frame = absl::Cord(lie);
  for (const StoredChunk& bad : {other_bytes, other_kind, cut, huge}) {
    EXPECT_TRUE(absl::IsDataLoss(store->Put({MakeChunk(50, 6), bad})));
    EXPECT_THAT(*store->Has({MakeChunk(50, 6).id, bad.id}), ElementsAre(false, false));
  }
}

TEST(FaultyChunkStoreTest, FailsAsTold) {
  std::string last;
  const std::unique_ptr<ChunkStore> store = NewFaultyChunkStore(
      NewMemoryChunkStore(), {.before = [&](std::string_view operation) -> absl::Status {
        last = operation;
        return operation == "put" ? absl::ResourceExhaustedError("full") : absl::OkStatus();
      }});
  EXPECT_TRUE(absl::IsResourceExhausted(store->Put({MakeChunk(10, 1)})));
  EXPECT_THAT(*store->Has({MakeChunk(10, 1).id}), ElementsAre(false));
  EXPECT_EQ(last, "has");
}

}  // namespace
}  // namespace filesync
