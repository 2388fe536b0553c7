// The contract of KvStore, run on every form of it.

#include "libs/kv/kv_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <thread>

#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/kv/rocksdb_store.h"

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::Eq;
using testing::Optional;
using testing::Pair;

constexpr KvTable kSmall = 0;
constexpr KvTable kLarge = 1;
constexpr int kTables = 2;

struct Form {
  std::string name;
  std::function<std::unique_ptr<KvStore>(const std::string& directory)> make;
};

Form MemoryForm() {
  return {"Memory", [](const std::string&) { return NewMemoryKvStore(kTables); }};
}

Form RocksDbForm(const char* name, bool by_key) {
  return {name, [by_key](const std::string& directory) {
            RocksDbOptions options;
            options.directory = directory;
            options.tables = {{"small", false, by_key}, {"large", true, by_key}};
            auto store = OpenRocksDbStore(options);
            EXPECT_TRUE(store.ok()) << store.status();
            return *std::move(store);
          }};
}

class KvStoreTest : public testing::TestWithParam<Form> {
 protected:
  KvStoreTest() : store_(GetParam().make(directory_)) {}
  ~KvStoreTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Put(KvTable table, const std::string& key, const std::string& value) {
    KvBatch batch;
    batch.Put(table, key, value);
    ASSERT_TRUE(store_->Write(batch, false).ok());
  }
  void Delete(KvTable table, const std::string& key) {
    KvBatch batch;
    batch.Delete(table, key);
    ASSERT_TRUE(store_->Write(batch, false).ok());
  }
  std::string Get(KvTable table, const std::string& key, const KvSnapshot* snapshot = nullptr) {
    const auto value = store_->Get(table, key, snapshot);
    return value.ok() ? *value : std::string(Describe(value.status()).substr(0, 9));
  }
  std::vector<std::pair<std::string, std::string>> From(KvTable table, const std::string& start,
                                                        const KvSnapshot* snapshot = nullptr) {
    std::vector<std::pair<std::string, std::string>> rows;
    const auto iterator = store_->Iterate(table, snapshot);
    for (iterator->Seek(start); iterator->Valid(); iterator->Next()) {
      rows.emplace_back(iterator->key(), iterator->value());
    }
    EXPECT_TRUE(iterator->status().ok()) << iterator->status();
    return rows;
  }

  const std::string directory_ =
      testing::TempDir() + fmt::format("/kv-{}", HexEncode(RandomBytes(8)));
  std::unique_ptr<KvStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Forms, KvStoreTest,
                         testing::Values(MemoryForm(), RocksDbForm("RocksDb", false),
                                         RocksDbForm("RocksDbByKey", true)),
                         [](const auto& info) { return info.param.name; });

TEST_P(KvStoreTest, AbsentKeyIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(store_->Get(kSmall, "a").status()));
  Put(kSmall, "a", "1");
  EXPECT_EQ(Get(kSmall, "a"), "1");
  Delete(kSmall, "a");
  EXPECT_TRUE(absl::IsNotFound(store_->Get(kSmall, "a").status()));
  // Deleting what is not there is no error.
  Delete(kSmall, "a");
}

TEST_P(KvStoreTest, TablesAreApart) {
  Put(kSmall, "a", "small");
  Put(kLarge, "a", "large");
  Delete(kSmall, "a");
  EXPECT_TRUE(absl::IsNotFound(store_->Get(kSmall, "a").status()));
  EXPECT_EQ(Get(kLarge, "a"), "large");
  EXPECT_TRUE(From(kSmall, "").empty());
}

TEST_P(KvStoreTest, KeysAndValuesAreAnyBytes) {
  const std::string key("\0\xff\n\0", 4);
  const std::string value = std::string("\0\xff", 2) + std::string(100'000, '\0');
  for (const KvTable table : {kSmall, kLarge}) {
    Put(table, key, value);
    Put(table, "empty", "");
    EXPECT_EQ(Get(table, key), value);
    EXPECT_EQ(Get(table, "empty"), "");
    EXPECT_THAT(From(table, ""), ElementsAre(Pair(key, value), Pair("empty", "")));
  }
}

TEST_P(KvStoreTest, IteratesInUnsignedByteOrderFromWhereItSeeks) {
  const std::vector<std::string> sorted = {std::string(1, '\0'), "a", "a\x01", "aa", "b", "\x80"};
  for (auto it = sorted.rbegin(); it != sorted.rend(); ++it) Put(kSmall, *it, *it);
  std::vector<std::string> keys;
  for (const auto& [key, value] : From(kSmall, "")) keys.push_back(key);
  EXPECT_EQ(keys, sorted);
  EXPECT_THAT(From(kSmall, "ab"), ElementsAre(Pair("b", "b"), Pair("\x80", "\x80")));
  EXPECT_THAT(From(kSmall, "b"), ElementsAre(Pair("b", "b"), Pair("\x80", "\x80")));
  EXPECT_TRUE(From(kSmall, "\x81").empty());
}

TEST_P(KvStoreTest, IteratesBackwards) {
  const auto iterator_of_nothing = store_->Iterate(kSmall);
  iterator_of_nothing->SeekBefore("x");
  EXPECT_FALSE(iterator_of_nothing->Valid());
  for (const char* key : {"a", "b", "c", "d"}) Put(kSmall, key, key);
  Delete(kSmall, "c");
  const auto iterator = store_->Iterate(kSmall);
  const auto before = [&](std::string_view key) {
    std::string keys;
    for (iterator->SeekBefore(key); iterator->Valid(); iterator->Previous()) {
      keys += iterator->key();
    }
    EXPECT_TRUE(iterator->status().ok());
    return keys;
  };
  EXPECT_EQ(before("d"), "ba");
  EXPECT_EQ(before("d1"), "dba");
  EXPECT_EQ(before("c"), "ba");
  EXPECT_EQ(before("a"), "");
  iterator->SeekBefore("b");
  iterator->Next();
  EXPECT_EQ(iterator->key(), "b");
}

TEST_P(KvStoreTest, AnIterationSeesOneState) {
  Put(kSmall, "a", "1");
  Put(kSmall, "b", "1");
  const auto iterator = store_->Iterate(kSmall);
  iterator->Seek("");
  Put(kSmall, "b", "2");
  Put(kSmall, "c", "2");
  iterator->Next();
  EXPECT_EQ(iterator->value(), "1");
  iterator->Next();
  EXPECT_FALSE(iterator->Valid());
  EXPECT_TRUE(iterator->status().ok());
}

TEST_P(KvStoreTest, ASnapshotStaysAsItWas) {
  Put(kSmall, "a", "1");
  Put(kSmall, "gone", "1");
  const auto before = store_->Snapshot();
  Put(kSmall, "a", "2");
  Delete(kSmall, "gone");
  const auto between = store_->Snapshot();
  Put(kSmall, "a", "3");
  Put(kSmall, "new", "3");
  EXPECT_EQ(Get(kSmall, "a", before.get()), "1");
  EXPECT_EQ(Get(kSmall, "gone", before.get()), "1");
  EXPECT_EQ(Get(kSmall, "a", between.get()), "2");
  EXPECT_THAT(From(kSmall, "", between.get()), ElementsAre(Pair("a", "2")));
  EXPECT_THAT(From(kSmall, ""), ElementsAre(Pair("a", "3"), Pair("new", "3")));
}

TEST_P(KvStoreTest, ABatchAppliesInOrder) {
  KvBatch batch;
  EXPECT_TRUE(batch.empty());
  batch.Put(kSmall, "a", "1");
  batch.Delete(kSmall, "a");
  batch.Put(kSmall, "b", "1");
  batch.Put(kSmall, "b", "2");
  batch.Delete(kLarge, "c");
  batch.Put(kLarge, "c", "3");
  ASSERT_TRUE(store_->Write(batch, true).ok());
  EXPECT_THAT(From(kSmall, ""), ElementsAre(Pair("b", "2")));
  EXPECT_THAT(From(kLarge, ""), ElementsAre(Pair("c", "3")));
  EXPECT_TRUE(store_->Write(KvBatch(), true).ok());
}

TEST_P(KvStoreTest, MultiGetAnswersEachKeyInOrder) {
  for (const KvTable table : {kSmall, kLarge}) {
    Put(table, "a", std::string(50'000, 'a'));
    Put(table, "b", "");
    const auto values = store_->MultiGet(table, {"b", "none", "a", "b"});
    ASSERT_TRUE(values.ok()) << values.status();
    EXPECT_THAT(*values, ElementsAre(Optional(Eq("")), Eq(std::nullopt),
                                     Optional(std::string(50'000, 'a')), Optional(Eq(""))));
  }
  const auto none = store_->MultiGet(kSmall, {});
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
}

TEST_P(KvStoreTest, ReadersNeverSeeHalfABatch) {
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 2'000; ++i) {
      KvBatch batch;
      batch.Put(kSmall, "a", std::to_string(i));
      batch.Put(kLarge, "b", std::to_string(i));
      EXPECT_TRUE(store_->Write(batch, false).ok());
    }
    done = true;
  });
  while (!done) {
    const auto snapshot = store_->Snapshot();
    EXPECT_EQ(Get(kSmall, "a", snapshot.get()), Get(kLarge, "b", snapshot.get()));
    const auto rows = From(kSmall, "a");
    EXPECT_LE(rows.size(), 1u);
    EXPECT_TRUE(store_->MultiGet(kLarge, {"a", "b"}).ok());
  }
  writer.join();
  EXPECT_EQ(Get(kSmall, "a"), "1999");
  EXPECT_TRUE(store_->Health().ok());
}

// Any sequence of batches leaves what a map would hold, snapshots included.
TEST_P(KvStoreTest, BehavesLikeAMap) {
  using Model = std::map<std::string, std::string>;
  Model model;
  EXPECT_TRUE(rc::check([&] {
    const auto snapshot = store_->Snapshot();
    const Model before = model;
    KvBatch batch;
    const auto size = *rc::gen::inRange(0, 20);
    for (int i = 0; i < size; ++i) {
      const std::string key = *rc::gen::container<std::string>(*rc::gen::inRange(0, 3),
                                                               rc::gen::element('\0', 'a', '\xff'));
      if (*rc::gen::inRange(0, 3) == 0) {
        batch.Delete(kSmall, key);
        model.erase(key);
      } else {
        const auto value = *rc::gen::arbitrary<std::string>();
        batch.Put(kSmall, key, value);
        model[key] = value;
      }
    }
    RC_ASSERT(store_->Write(batch, false).ok());
    RC_ASSERT(From(kSmall, "", snapshot.get()) ==
              (std::vector<std::pair<std::string, std::string>>(before.begin(), before.end())));
    const std::string start = *rc::gen::container<std::string>(*rc::gen::inRange(0, 3),
                                                               rc::gen::element('\0', 'a', '\xff'));
    RC_ASSERT(From(kSmall, start) == (std::vector<std::pair<std::string, std::string>>(
                                         model.lower_bound(start), model.end())));
    for (const auto& [key, value] : before) {
      RC_ASSERT(Get(kSmall, key, snapshot.get()) == value);
      const auto got = store_->Get(kSmall, key);
      RC_ASSERT(got.ok() == (model.count(key) == 1));
    }
  }));
}

}  // namespace
}  // namespace filesync
