// What a power cut leaves behind, and what a disk that fails or is full does: the store runs on
// hooked system calls that know which bytes of each file were synced, and is opened again from
// what the disk may then hold.
//
// The hooks stand in for libc's functions in this program only. Outside a cut they pass through.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <shared_mutex>

#include "absl/time/clock.h"
#include "libs/base/status.h"
#include "libs/kv/rocksdb_store.h"

namespace filesync {
namespace {

namespace fs = std::filesystem;

// The disk as the hooks see it, while one is installed.
class Disk {
 public:
  Disk() { installed.store(this); }
  ~Disk() { installed.store(nullptr); }

  void Synced(int fd) {
    struct stat stat {};
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) return;
    std::lock_guard lock(mutex_);
    synced_[stat.st_ino] = static_cast<uint64_t>(stat.st_size);
  }
  // Copies `from` to `to`, each file cut somewhere behind what was synced of it.
  void CutPower(const fs::path& from, const fs::path& to, std::mt19937_64& random) {
    std::unique_lock still(changes);
    std::lock_guard lock(mutex_);
    bypass = true;
    fs::create_directories(to);
    for (const auto& file : fs::directory_iterator(from)) {
      struct stat stat {};
      ASSERT_EQ(::stat(file.path().c_str(), &stat), 0);
      const auto size = static_cast<uint64_t>(stat.st_size);
      const auto known = synced_.find(stat.st_ino);
      const uint64_t least = known == synced_.end() ? 0 : std::min(known->second, size);
      const uint64_t choices[] = {least, size, least + random() % (size - least + 1)};
      fs::copy_file(file.path(), to / file.path().filename());
      fs::resize_file(to / file.path().filename(), choices[random() % 3]);
    }
    bypass = false;
  }

  // The next calls of fdatasync and fsync, or of write, fail with this; 0: they don't.
  std::atomic<int> sync_error = 0;
  std::atomic<int> write_error = 0;

  static inline std::atomic<Disk*> installed = nullptr;
  // Held shared while a file changes, exclusively while the power is cut.
  static inline std::shared_mutex changes;
  static inline thread_local bool bypass = false;

 private:
  std::mutex mutex_;
  std::map<ino_t, uint64_t> synced_;
};

// Runs `call` as a change that no power cut splits.
template <typename Call>
auto Change(Call call) {
  if (Disk::bypass || Disk::installed.load() == nullptr) return call();
  std::shared_lock lock(Disk::changes);
  return call();
}

int SyncHook(int number, int fd) {
  Disk* disk = Disk::bypass ? nullptr : Disk::installed.load();
  if (disk == nullptr) return static_cast<int>(syscall(number, fd));
  if (const int error = disk->sync_error; error != 0) {
    errno = error;
    return -1;
  }
  std::shared_lock lock(Disk::changes);
  disk->Synced(fd);
  return 0;
}

}  // namespace
}  // namespace filesync

extern "C" {
int fdatasync(int fd) { return filesync::SyncHook(SYS_fdatasync, fd); }
int fsync(int fd) { return filesync::SyncHook(SYS_fsync, fd); }
ssize_t write(int fd, const void* bytes, size_t size) {
  filesync::Disk* disk = fd > 2 ? filesync::Disk::installed.load() : nullptr;
  if (disk != nullptr && disk->write_error != 0) {
    errno = disk->write_error;
    return -1;
  }
  return filesync::Change([=] { return syscall(SYS_write, fd, bytes, size); });
}
int rename(const char* from, const char* to) {
  return filesync::Change([=] { return static_cast<int>(syscall(SYS_rename, from, to)); });
}
int unlink(const char* path) {
  return filesync::Change([=] { return static_cast<int>(syscall(SYS_unlink, path)); });
}
}

namespace filesync {
namespace {

class PowerCutTest : public testing::Test {
 protected:
  PowerCutTest() { fs::remove_all(base_); }
  ~PowerCutTest() override { fs::remove_all(base_); }

  RocksDbOptions Options(const fs::path& directory) {
    RocksDbOptions options;
    options.directory = directory;
    options.tables = {{"small"}, {"large", true, true}};
    options.block_cache_bytes = 1 << 20;
    options.write_buffer_bytes = 256 << 10;  // small: the log changes often
    return options;
  }

  const fs::path base_ = fs::path(testing::TempDir()) / fmt::format("power-cut-{}", getpid());
};

std::string KeyOf(int batch) { return fmt::format("{:06}", batch); }

// Batch `n` puts one key; the large table's values go to blob files.
absl::Status WriteBatchNumber(KvStore& store, int n, bool synced, std::mt19937_64& random) {
  KvBatch batch;
  batch.Put(n % 2, KeyOf(n), std::string(random() % 12'000, 'a' + n % 26));
  return store.Write(batch, synced);
}

TEST_F(PowerCutTest, LeavesAPrefixOfWhatWasWrittenAndAllThatWasSynced) {
  std::mt19937_64 random(20260101);
  for (int round = 0; round < 40; ++round) {
    const fs::path live = base_ / fmt::format("live-{}", round);
    const fs::path left = base_ / fmt::format("left-{}", round);
    Disk disk;
    auto store = OpenRocksDbStore(Options(live));
    ASSERT_TRUE(store.ok()) << store.status();
    const int batches = 20 + static_cast<int>(random() % 200);
    int last_synced = -1;
    for (int n = 0; n < batches; ++n) {
      const bool synced = random() % 40 == 0;
      ASSERT_TRUE(WriteBatchNumber(**store, n, synced, random).ok());
      if (synced) last_synced = n;
    }
    disk.CutPower(live, left, random);
    store->reset();

    store = OpenRocksDbStore(Options(left));
    ASSERT_TRUE(store.ok()) << "round " << round << ": " << store.status();
    int first_lost = batches;
    for (int n = 0; n < batches; ++n) {
      const absl::Status found = (*store)->Get(n % 2, KeyOf(n)).status();
      ASSERT_TRUE(found.ok() || absl::IsNotFound(found)) << found;
      if (!found.ok()) first_lost = std::min(first_lost, n);
      ASSERT_FALSE(found.ok() && n > first_lost)
          << "round " << round << ": batch " << n << " is there, " << first_lost << " is not";
    }
    ASSERT_GT(first_lost, last_synced) << "round " << round;
  }
}

// After a failed sync nobody knows what is on disk: nothing may be acknowledged any more.
TEST_F(PowerCutTest, AFailedSyncEndsAllWriting) {
  std::mt19937_64 random(1);
  Disk disk;
  auto store = OpenRocksDbStore(Options(base_));
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE(WriteBatchNumber(**store, 0, true, random).ok());
  EXPECT_TRUE((*store)->Health().ok());
  disk.sync_error = EIO;
  EXPECT_FALSE(WriteBatchNumber(**store, 1, true, random).ok());
  disk.sync_error = 0;
  EXPECT_FALSE((*store)->Health().ok());
  EXPECT_FALSE(WriteBatchNumber(**store, 2, true, random).ok());
  EXPECT_FALSE(WriteBatchNumber(**store, 2, false, random).ok());
  EXPECT_TRUE((*store)->Get(0, KeyOf(0)).ok());
  store->reset();

  store = OpenRocksDbStore(Options(base_));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE((*store)->Health().ok());
  EXPECT_TRUE((*store)->Get(0, KeyOf(0)).ok());
  EXPECT_TRUE(absl::IsNotFound((*store)->Get(0, KeyOf(2)).status()));
}

TEST_F(PowerCutTest, AFailedWriteOfTheLogIsNotAcknowledged) {
  std::mt19937_64 random(1);
  Disk disk;
  RocksDbOptions options = Options(base_);
  std::mutex mutex;
  std::string warnings;
  options.warn = [&](std::string_view line) {
    std::lock_guard lock(mutex);
    warnings.append(line);
  };
  auto store = OpenRocksDbStore(options);
  ASSERT_TRUE(store.ok()) << store.status();
  disk.write_error = EIO;
  EXPECT_FALSE(WriteBatchNumber(**store, 1, false, random).ok());
  disk.write_error = 0;
  EXPECT_FALSE((*store)->Health().ok());
  EXPECT_FALSE(WriteBatchNumber(**store, 2, true, random).ok());
  store->reset();
  EXPECT_NE(warnings.find("error"), std::string::npos) << warnings;
}

TEST_F(PowerCutTest, AFullDiskStopsWritingUntilThereIsRoom) {
  std::mt19937_64 random(1);
  Disk disk;
  auto store = OpenRocksDbStore(Options(base_));
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE(WriteBatchNumber(**store, 0, true, random).ok());
  ASSERT_TRUE(WriteBatchNumber(**store, 1, false, random).ok());
  disk.write_error = ENOSPC;
  for (const bool synced : {true, false, true}) {
    const absl::Status full = WriteBatchNumber(**store, 2, synced, random);
    EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  }
  EXPECT_TRUE((*store)->Health().ok()) << (*store)->Health();
  EXPECT_TRUE((*store)->Get(0, KeyOf(0)).ok());
  disk.write_error = 0;
  absl::Status written;
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  do {
    written = WriteBatchNumber(**store, 4, true, random);
    absl::SleepFor(absl::Milliseconds(50));
  } while (!written.ok() && absl::Now() < deadline);
  EXPECT_TRUE(written.ok()) << written;
  store->reset();

  store = OpenRocksDbStore(Options(base_));
  ASSERT_TRUE(store.ok()) << store.status();
  for (const int n : {0, 1, 4}) EXPECT_TRUE((*store)->Get(n % 2, KeyOf(n)).ok()) << n;
}

}  // namespace
}  // namespace filesync
