#include "libs/chunk_store/pack_directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/numbers.h"
#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

// Open files at most; the rest is closed when the next is opened.
constexpr size_t kMostOpen = 64;
constexpr std::string_view kSuffix = ".pack";
std::string PackName(uint64_t number) { return fmt::format("{:010}{}", number, kSuffix); }

std::string Number(uint64_t number) {
  std::string key;
  AppendBigEndian64(key, number);
  return key;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PackDirectory>> PackDirectory::Open(const std::string& path,
                                                                   KvStore* store, KvTable table,
                                                                   uint64_t pack_size) {
  FS_RETURN_IF_ERROR(Annotate(MakeDirectories(path), "making the directory of chunk packs"));
  FS_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(path));
  FS_ASSIGN_OR_RETURN(UniqueFd directory, OpenDirectory(path));
  std::unique_ptr<PackDirectory> packs(
      new PackDirectory(std::move(directory), store, table, pack_size));
  {
    // Numbers of files that no record names are not used again.
    absl::MutexLock lock(&packs->mutex_);
    for (std::string_view name : names) {
      uint64_t number = 0;
      if (!name.ends_with(kSuffix)) continue;
      name.remove_suffix(kSuffix.size());
      if (absl::SimpleAtoi(ToAbsl(name), &number)) {
        packs->highest_ = std::max(packs->highest_, number);
      }
    }
  }
  FS_RETURN_IF_ERROR(packs->Check());
  return packs;
}

absl::Status PackDirectory::Check() {
  absl::MutexLock lock(&mutex_);
  const std::unique_ptr<KvIterator> iterator = store_->Iterate(table_);
  uint64_t last = 0;
  for (iterator->Seek(""); iterator->Valid(); iterator->Next()) {
    if (iterator->key().size() != 8 || iterator->value().size() != 8) {
      return DataLoss("the table of chunk packs can't be read; {}", kDamagedStoreAdvice);
    }
    last = ReadBigEndian64(iterator->key().data());
    const uint64_t least = ReadBigEndian64(iterator->value().data());
    FS_ASSIGN_OR_RETURN(const std::shared_ptr<PackFile> pack, OpenPack(last, O_RDWR));
    if (pack->end() < least) {
      return DataLoss("chunk pack {} has {} bytes, less than {}; {}", PackName(last), pack->end(),
                      least, kDamagedStoreAdvice);
    }
    if (pack->end() < pack_size_) current_ = pack;
  }
  FS_RETURN_IF_ERROR(iterator->status());
  // Only the newest is appended to.
  if (current_ != nullptr && current_->number() != last) current_ = nullptr;
  highest_ = std::max(highest_, last);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<PackFile>> PackDirectory::OpenPack(uint64_t number, int flags) {
  const std::string name = PackName(number);
  absl::StatusOr<UniqueFd> fd =
      OpenBeneath(directory_.get(), name, flags, (flags & O_CREAT) != 0 ? 0600 : 0);
  if (absl::IsNotFound(fd.status()))
    return DataLoss("chunk pack {} is gone; {}", name, kDamagedStoreAdvice);
  FS_RETURN_IF_ERROR(Annotate(fd.status(), name));
  struct stat figures = {};
  if (fstat(fd->get(), &figures) != 0) return ErrnoStatus(errno, name);
  return std::make_shared<PackFile>(*std::move(fd), number, static_cast<uint64_t>(figures.st_size));
}

absl::Status PackDirectory::Remember(uint64_t number, uint64_t size) {
  KvBatch batch;
  batch.Put(table_, Number(number), Number(size));
  return store_->Write(batch, /*synced=*/false);
}

absl::StatusOr<std::shared_ptr<PackFile>> PackDirectory::Current() {
  absl::MutexLock lock(&mutex_);
  if (current_ != nullptr && !current_->failed() && current_->end() < pack_size_) {
    return current_;
  }
  if (current_ != nullptr) {
    // A failed pack may end anywhere; its frames that count are checked when they are read.
    if (!current_->failed()) {
      FS_RETURN_IF_ERROR(Remember(current_->number(), current_->synced_end()));
    }
    open_[current_->number()] = current_;
    current_ = nullptr;
  }
  FS_ASSIGN_OR_RETURN(std::shared_ptr<PackFile> made,
                      OpenPack(highest_ + 1, O_RDWR | O_CREAT | O_EXCL));
  ++highest_;
  // Its name must be as durable as what will be written to it.
  if (fsync(directory_.get()) != 0) return ErrnoStatus(errno, "syncing the chunk packs' directory");
  FS_RETURN_IF_ERROR(Remember(highest_, 0));
  return current_ = std::move(made);
}

absl::StatusOr<std::shared_ptr<PackFile>> PackDirectory::Get(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  if (current_ != nullptr && current_->number() == number) return current_;
  const auto it = open_.find(number);
  if (it != open_.end()) return it->second;
  FS_ASSIGN_OR_RETURN(std::shared_ptr<PackFile> pack, OpenPack(number, O_RDWR));
  if (open_.size() >= kMostOpen) open_.erase(open_.begin());
  return open_[number] = std::move(pack);
}

}  // namespace filesync
