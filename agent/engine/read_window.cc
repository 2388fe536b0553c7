#include "agent/engine/read_window.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "libs/base/status.h"

namespace filesync {
namespace {

// What is read at once stays in the processor's cache until it is cut and hashed.
constexpr size_t kReadSize = 512 << 10;

// Not filled with zeros first, as make_shared would.
std::shared_ptr<char[]> NewBuffer(size_t size) { return std::shared_ptr<char[]>(new char[size]); }

}  // namespace

ReadWindow::ReadWindow(size_t capacity, bool shared)
    : capacity_(capacity), shared_(shared), buffer_(NewBuffer(capacity)) {}

absl::StatusOr<size_t> ReadWindow::Read(LocalFile& file, uint64_t offset, uint64_t most) {
  const size_t wanted = std::min<uint64_t>(most, kReadSize);
  if (capacity_ - end_ < std::min(wanted, kReadSize / 2)) MoveOn();
  const size_t room = std::min(wanted, capacity_ - end_);
  FS_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(offset, buffer_.get() + end_, room));
  end_ += got;
  return got;
}

// Makes room behind what is unused.
void ReadWindow::MoveOn() {
  const std::string_view rest = unused();
  const std::shared_ptr<char[]> old = buffer_;
  if (shared_) buffer_ = NewBuffer(capacity_);
  std::memmove(buffer_.get(), rest.data(), rest.size());
  end_ = rest.size();
  begin_ = 0;
  moved_ = true;
}

absl::Cord ReadWindow::Share(size_t size) const {
  const absl::string_view view(buffer_.get() + begin_, size);
  return absl::MakeCordFromExternal(view, [buffer = buffer_] {});
}

absl::Cord ReadWindow::TakeAll() {
  const absl::string_view view(buffer_.get(), end_);
  return absl::MakeCordFromExternal(view, [buffer = std::move(buffer_)] {});
}

}  // namespace filesync
