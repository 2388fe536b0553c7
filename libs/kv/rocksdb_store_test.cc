// What only a store on disk can do: open again, be held once, and notice damage.

#include "libs/kv/rocksdb_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "libs/base/coding.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr KvTable kSmall = 0;
constexpr KvTable kLarge = 1;
using Rows = std::map<std::pair<KvTable, std::string>, std::string>;

class RocksDbStoreTest : public testing::Test {
 protected:
  RocksDbStoreTest() { fs::create_directory(base_); }
  ~RocksDbStoreTest() override { fs::remove_all(base_); }

  static RocksDbOptions Options(const fs::path& directory) {
    RocksDbOptions options;
    options.directory = directory;
    options.tables = {{"small"}, {"large", true, true}};
    options.write_buffer_bytes = 256 << 10;
    return options;
  }
  static std::unique_ptr<KvStore> Open(const fs::path& directory) {
    auto store = OpenRocksDbStore(Options(directory));
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  // A closed store with tables, blob files and a log.
  Rows Fill(const fs::path& directory) {
    Rows rows;
    std::mt19937_64 random(7);
    const auto store = Open(directory);
    for (int i = 0; i < 120; ++i) {
      KvBatch batch;
      for (const KvTable table : {kSmall, kLarge}) {
        std::string value(table == kSmall ? 300 : 20'000, '\0');
        for (char& c : value) c = static_cast<char>(random());
        rows[{table, std::to_string(i)}] = value;
        batch.Put(table, std::to_string(i), value);
      }
      EXPECT_TRUE(store->Write(batch, true).ok());
    }
    return rows;
  }
  // DataLoss as soon as something is damaged; OK when all is as it was written. Anything else
  // (a wrong value, a lost row, another code) fails the test.
  static absl::Status ReadAll(const fs::path& directory, const Rows& rows) {
    FS_ASSIGN_OR_RETURN(const auto store, OpenRocksDbStore(Options(directory)));
    for (const auto& [key, value] : rows) {
      FS_ASSIGN_OR_RETURN(const std::string got, store->Get(key.first, key.second));
      EXPECT_EQ(got, value);
    }
    size_t seen = 0;
    for (const KvTable table : {kSmall, kLarge}) {
      const auto iterator = store->Iterate(table);
      for (iterator->Seek(""); iterator->Valid(); iterator->Next()) ++seen;
      FS_RETURN_IF_ERROR(iterator->status());
    }
    EXPECT_EQ(seen, rows.size());
    return absl::OkStatus();
  }
  static bool HoldsData(const fs::path& file) {
    const std::string name = file.filename();
    return name == "CURRENT" || name.starts_with("MANIFEST") || file.extension() == ".sst" ||
           file.extension() == ".blob" || (file.extension() == ".log" && fs::file_size(file) > 0);
  }
  fs::path CopyOf(const fs::path& directory) {
    const fs::path copy = base_ / "copy";
    fs::remove_all(copy);
    fs::copy(directory, copy);
    return copy;
  }

  const fs::path base_ =
      fs::path(testing::TempDir()) / fmt::format("rocksdb-{}", HexEncode(RandomBytes(8)));
};

TEST_F(RocksDbStoreTest, MakesItsDirectoryForItsUserOnly) {
  ASSERT_NE(Open(base_ / "a" / "b"), nullptr);
  for (const fs::path& made : {base_ / "a", base_ / "a" / "b"}) {
    EXPECT_EQ(fs::status(made).permissions(), fs::perms::owner_all) << made;
  }
}

TEST_F(RocksDbStoreTest, OpensAgainWithAllThatWasWritten) {
  const Rows rows = Fill(base_ / "store");
  EXPECT_TRUE(ReadAll(base_ / "store", rows).ok());
}

TEST_F(RocksDbStoreTest, IsHeldOnceInAProcess) {
  const auto store = Open(base_ / "locked-blocks");
  const auto second = OpenRocksDbStore(Options(base_ / "locked-blocks"));
  ASSERT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another process"));
}

TEST_F(RocksDbStoreTest, IsHeldByOneProcess) {
  const fs::path directory = base_ / "store";
  int opened[2], finished[2];
  ASSERT_EQ(pipe(opened), 0);
  ASSERT_EQ(pipe(finished), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(finished[1]);
    auto store = OpenRocksDbStore(Options(directory));
    char byte = store.ok() ? 'y' : 'n';
    if (write(opened[1], &byte, 1) != 1) _exit(1);
    // Until the parent closes its end, or dies.
    if (read(finished[0], &byte, 1) != 0) _exit(1);
    store->reset();
    _exit(0);
  }
  close(finished[0]);
  char byte = 0;
  ASSERT_EQ(read(opened[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  const auto second = OpenRocksDbStore(Options(directory));
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another process"));
  close(finished[1]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_NE(Open(directory), nullptr);
  close(opened[0]);
  close(opened[1]);
}

// A directory whose name looks like RocksDB's words for a held lock.
TEST_F(RocksDbStoreTest, OtherTroubleIsNotTakenForALock) {
  const fs::path directory = base_ / "lock";
  const Rows rows = Fill(directory);
  for (const auto& file : fs::directory_iterator(directory)) {
    if (file.path().filename().string().starts_with("MANIFEST")) fs::remove(file);
  }
  const auto store = OpenRocksDbStore(Options(directory));
  EXPECT_TRUE(absl::IsDataLoss(store.status())) << store.status();
}

TEST_F(RocksDbStoreTest, OpensTablesThatItDoesNotKnow) {
  {
    RocksDbOptions newer = Options(base_ / "store");
    newer.tables.push_back({"from the future", true});
    auto store = OpenRocksDbStore(newer);
    ASSERT_TRUE(store.ok()) << store.status();
    KvBatch batch;
    batch.Put(kSmall, "a", "1");
    batch.Put(2, "a", std::string(5'000, 'f'));
    ASSERT_TRUE((*store)->Write(batch, true).ok());
  }
  {
    const auto store = Open(base_ / "store");
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(*store->Get(kSmall, "a"), "1");
  }
  RocksDbOptions newer = Options(base_ / "store");
  newer.tables.push_back({"from the future", true});
  const auto store = OpenRocksDbStore(newer);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(*(*store)->Get(2, "a"), std::string(5'000, 'f'));
}

// As it does when another version of the server opens it.
TEST_F(RocksDbStoreTest, ATableMayBeReadByKeyOrNot) {
  Rows rows = Fill(base_ / "store");
  for (const bool by_key : {false, true}) {
    RocksDbOptions options = Options(base_ / "store");
    for (KvTableOptions& table : options.tables) table.by_key = by_key;
    const auto store = OpenRocksDbStore(options);
    ASSERT_TRUE(store.ok()) << store.status();
    KvBatch batch;
    // Keys of any length, and none of which is all of another's prefix.
    for (const char* key : {"", "1", "10", "1000000000000000000000000000000000000000"}) {
      const std::string value = std::string(key) + (by_key ? "by key" : "");
      rows[{kSmall, key}] = value;
      batch.Put(kSmall, key, value);
    }
    ASSERT_TRUE((*store)->Write(batch, true).ok());
    Rows seen;
    for (const KvTable table : {kSmall, kLarge}) {
      const auto iterator = (*store)->Iterate(table);
      std::string last;
      for (iterator->Seek(""); iterator->Valid(); iterator->Next()) {
        EXPECT_LE(last, iterator->key());
        last = iterator->key();
        seen[{table, last}] = iterator->value();
      }
      EXPECT_TRUE(iterator->status().ok());
    }
    EXPECT_EQ(seen, rows);
  }
  EXPECT_TRUE(ReadAll(base_ / "store", rows).ok());
}

TEST_F(RocksDbStoreTest, LargeValuesGoToBlobFiles) {
  Fill(base_ / "store");
  uint64_t blobs = 0, tables = 0;
  for (const auto& file : fs::directory_iterator(base_ / "store")) {
    if (file.path().extension() == ".blob") blobs += file.file_size();
    if (file.path().extension() == ".sst") tables += file.file_size();
  }
  EXPECT_GT(blobs, 1'000'000u);
  EXPECT_LT(tables, 200'000u);
}

// Each file alone gone: refused with what to do, never started as if it had not been. Not so the
// newest log, whose tail is a history that went back: metadata's incarnations notice that.
TEST_F(RocksDbStoreTest, EachMissingFileIsDataLoss) {
  const Rows rows = Fill(base_ / "store");
  int tried = 0;
  for (const auto& file : fs::directory_iterator(base_ / "store")) {
    if (!HoldsData(file.path()) || file.path().extension() == ".log") continue;
    ++tried;
    const fs::path copy = CopyOf(base_ / "store");
    fs::remove(copy / file.path().filename());
    const absl::Status status = ReadAll(copy, rows);
    EXPECT_TRUE(absl::IsDataLoss(status)) << file.path().filename() << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("from a backup"));
  }
  EXPECT_GE(tried, 4);
}

// Opening a store that lost its head must not have deleted its body.
TEST_F(RocksDbStoreTest, AStoreWithoutItsHeadIsLeftAlone) {
  const Rows rows = Fill(base_ / "store");
  fs::rename(base_ / "store" / "CURRENT", base_ / "kept");
  EXPECT_TRUE(absl::IsDataLoss(OpenRocksDbStore(Options(base_ / "store")).status()));
  fs::rename(base_ / "kept", base_ / "store" / "CURRENT");
  EXPECT_TRUE(ReadAll(base_ / "store", rows).ok());
}

TEST_F(RocksDbStoreTest, EachShortenedFileIsDataLoss) {
  const Rows rows = Fill(base_ / "store");
  for (const auto& file : fs::directory_iterator(base_ / "store")) {
    // A log or manifest may end anywhere: power_cut_test says what must be left then.
    if (file.path().extension() != ".sst" && file.path().extension() != ".blob") continue;
    const fs::path copy = CopyOf(base_ / "store");
    fs::resize_file(copy / file.path().filename(), file.file_size() - 1);
    const absl::Status status = ReadAll(copy, rows);
    EXPECT_TRUE(absl::IsDataLoss(status)) << file.path().filename() << ": " << status;
  }
}

// One bit of one file is wrong: all is read as it was written, or the damage is reported.
TEST_F(RocksDbStoreTest, AWrongBitIsNeverRead) {
  const Rows rows = Fill(base_ / "store");
  std::mt19937_64 random(11);
  int noticed = 0;
  for (const auto& file : fs::directory_iterator(base_ / "store")) {
    if (!HoldsData(file.path())) continue;
    for (int i = 0; i < 4; ++i) {
      const fs::path copy = CopyOf(base_ / "store");
      std::fstream stream(copy / file.path().filename(),
                          std::ios::in | std::ios::out | std::ios::binary);
      const auto at = static_cast<std::streamoff>(random() % file.file_size());
      stream.seekg(at);
      const int byte = stream.get();
      stream.seekp(at);
      stream.put(static_cast<char>(byte ^ (1 << (random() % 8))));
      stream.close();
      const absl::Status status = ReadAll(copy, rows);
      EXPECT_TRUE(status.ok() || absl::IsDataLoss(status))
          << file.path().filename() << " at " << at << ": " << status;
      if (!status.ok()) ++noticed;
    }
  }
  EXPECT_GE(noticed, 10);
}

TEST_F(RocksDbStoreTest, FiguresTellWhereTheBytesAre) {
  Fill(base_ / "store");
  const auto store = Open(base_ / "store");
  ASSERT_NE(store, nullptr);
  ASSERT_TRUE(store->Get(kSmall, "1").ok());
  std::map<std::string, double> figures;
  for (const auto& [name, value] : store->Figures()) figures[name] = value;
  EXPECT_GT(figures["blobs"], 1e6);
  EXPECT_GT(figures["tables"], 1e4);
  EXPECT_GT(figures["live_data"], 1e6);
  EXPECT_GT(figures["memtables"], 0);
  EXPECT_GT(figures["block_cache"], 0);
  EXPECT_EQ(figures.count("pending_compaction"), 1u);
  const double log = figures["log"];
  KvBatch batch;
  batch.Put(kSmall, "more", std::string(10'000, 'm'));
  ASSERT_TRUE(store->Write(batch, true).ok());
  for (const auto& [name, value] : store->Figures()) figures[name] = value;
  EXPECT_GE(figures["log"], log + 10'000);
}

}  // namespace
}  // namespace filesync
