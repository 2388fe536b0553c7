#include "libs/chunk_store/pack_file.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "libs/base/status.h"
#include "libs/kv/kv_store.h"

namespace filesync {
namespace {

// Far below IOV_MAX.
constexpr size_t kPiecesPerWrite = 256;
constexpr uint64_t kBlock = 4096;

absl::Status WriteError(int error, std::string_view what) {
  absl::Status status = ErrnoStatus(error, what);
  if (error != ENOSPC && error != EDQUOT && error != EFBIG) return status;
  return ResourceExhausted("{}: {}", kDiskIsFull, ToStd(status.message()));
}

}  // namespace

bool PackFile::failed() const { return failed_; }

absl::Status PackFile::FailedLocked(absl::Status why) {
  failed_ = true;
  if (failure_.ok()) failure_ = why;
  return why;
}

absl::StatusOr<uint64_t> PackFile::Append(const std::vector<std::string_view>& pieces) {
  uint64_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  const uint64_t offset = end_.fetch_add(size);
  bool too_large = false;
  if (absl::Status written = WriteAt(offset, pieces, too_large); !written.ok()) {
    // What did get written takes the room that there is not.
    Free(offset, size);
    // With more room it can be appended to again, unless it can't become as large as that.
    if (absl::IsResourceExhausted(written) && !too_large) return written;
    absl::MutexLock lock(&sync_mutex_);
    return FailedLocked(std::move(written));
  }
  FS_RETURN_IF_ERROR(SyncUpTo(++written_));
  const uint64_t end = offset + size;
  for (uint64_t known = synced_end_; known < end;) {
    if (synced_end_.compare_exchange_weak(known, end)) break;
  }
  return offset;
}

absl::Status PackFile::WriteAt(uint64_t offset, const std::vector<std::string_view>& pieces,
                               bool& too_large) {
  size_t next = 0;
  size_t skip = 0;  // of pieces[next], already written
  while (next < pieces.size()) {
    iovec vectors[kPiecesPerWrite];
    size_t count = 0;
    for (size_t i = next; i < pieces.size() && count < kPiecesPerWrite; ++i, ++count) {
      const std::string_view rest = i == next ? pieces[i].substr(skip) : pieces[i];
      vectors[count] = {const_cast<char*>(rest.data()), rest.size()};
    }
    ssize_t wrote =
        pwritev(fd_.get(), vectors, static_cast<int>(count), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      too_large = errno == EFBIG;
      return WriteError(errno, "writing a chunk pack");
    }
    offset += static_cast<uint64_t>(wrote);
    while (next < pieces.size() && static_cast<size_t>(wrote) >= pieces[next].size() - skip) {
      wrote -= static_cast<ssize_t>(pieces[next].size() - skip);
      skip = 0;
      ++next;
    }
    skip += static_cast<size_t>(wrote);
  }
  return absl::OkStatus();
}

absl::Status PackFile::SyncUpTo(uint64_t ticket) {
  absl::MutexLock lock(&sync_mutex_);
  FS_RETURN_IF_ERROR(failure_);
  if (synced_ >= ticket) return absl::OkStatus();
  const uint64_t covered = written_;
  if (fdatasync(fd_.get()) != 0) return FailedLocked(WriteError(errno, "syncing a chunk pack"));
  synced_ = covered;
  return absl::OkStatus();
}

absl::StatusOr<absl::Cord> PackFile::Read(uint64_t offset, size_t size) const {
  // Not filled with zeros first, as a string would be.
  std::unique_ptr<char[]> frame(new char[size]);
  size_t done = 0;
  while (done < size) {
    const ssize_t got =
        pread(fd_.get(), frame.get() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "reading a chunk pack");
    if (got == 0) return DataLoss("chunk pack {} ends at {}, in a frame", number_, offset + done);
    done += static_cast<size_t>(got);
  }
  const absl::string_view bytes(frame.get(), size);
  return absl::MakeCordFromExternal(bytes, [frame = std::move(frame)] {});
}

void PackFile::Free(uint64_t offset, size_t size) {
  const uint64_t begin = (offset + kBlock - 1) / kBlock * kBlock;
  const uint64_t end = (offset + size) / kBlock * kBlock;
  if (begin >= end) return;
  // Where the file system can't, the space comes back with the whole pack.
  (void)fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin),
                  static_cast<off_t>(end - begin));
}

}  // namespace filesync
