#include "libs/metadata/version_allocator.h"

#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

constexpr char kFile[] = "versions.reserved";
constexpr std::string_view kMagic = "FSV1";
constexpr size_t kSize = 4 + 8 + 8;

std::string EncodeFile(uint64_t through) {
  std::string bytes(kMagic);
  AppendBigEndian64(bytes, through);
  bytes.append(HashChunk(ChunkKind::kData, bytes).bytes().substr(0, 8));
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VersionAllocator>> VersionAllocator::Open(
    const std::string& directory, uint64_t block) {
  UniqueFd fd;
  std::optional<uint64_t> reserved;
  if (!directory.empty()) {
    FS_ASSIGN_OR_RETURN(fd, OpenDirectory(directory));
    const absl::StatusOr<std::string> bytes = ReadFileAt(fd.get(), kFile, 4096);
    if (bytes.ok()) {
      if (bytes->size() != kSize ||
          *bytes != EncodeFile(ReadBigEndian64(bytes->data() + kMagic.size()))) {
        return DataLoss(
            "{}/{} is damaged, so it can't be told which versions were given out; restore the "
            "data directory from a backup",
            directory, kFile);
      }
      reserved = ReadBigEndian64(bytes->data() + kMagic.size());
    } else if (!absl::IsNotFound(bytes.status())) {
      return bytes.status();
    }
  }
  std::unique_ptr<VersionAllocator> allocator(new VersionAllocator(std::move(fd), block));
  absl::MutexLock lock(&allocator->mutex_);
  allocator->reserved_ = reserved;
  return allocator;
}

std::optional<uint64_t> VersionAllocator::reserved_through() const {
  absl::MutexLock lock(&mutex_);
  return reserved_;
}

void VersionAllocator::StartAt(uint64_t next) {
  absl::MutexLock lock(&mutex_);
  next_ = next;
}

absl::StatusOr<uint64_t> VersionAllocator::Take(uint64_t count) {
  absl::MutexLock lock(&mutex_);
  const uint64_t last = next_ + count - 1;
  if (!reserved_.has_value() || last > *reserved_) {
    FS_RETURN_IF_ERROR(Reserve(last + block_));
  }
  const uint64_t first = next_;
  next_ = last + 1;
  return first;
}

absl::Status VersionAllocator::Reserve(uint64_t through) {
  if (directory_.ok()) {
    FS_RETURN_IF_ERROR(Annotate(ReplaceFile(directory_.get(), kFile, EncodeFile(through)),
                                "cannot reserve versions"));
  }
  reserved_ = through;
  return absl::OkStatus();
}

}  // namespace filesync
