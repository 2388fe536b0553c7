// ReadWindow: the part of a file that was read and not used yet, in buffers that can be shared.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "libs/location/location.h"

namespace filesync {

class ReadWindow {
 public:
  // `capacity` in bytes: more than this is never unused at once. `shared`: what Share gives out
  // stays as it is; else its memory is used again.
  ReadWindow(size_t capacity, bool shared);

  // Reads on at `offset`, at most `most` bytes, and returns how many: 0 at the file's end. There
  // must be less unused than half of the capacity.
  absl::StatusOr<size_t> Read(LocalFile& file, uint64_t offset, uint64_t most);

  std::string_view unused() const { return {buffer_.get() + begin_, end_ - begin_}; }
  void Use(size_t size) { begin_ += size; }
  void Drop() { begin_ = end_; }

  // The first `size` unused bytes, which are not copied. Only of a shared window.
  absl::Cord Share(size_t size) const;

  // All that was read, if it is still here.
  bool HasAll() const { return !moved_; }
  absl::Cord TakeAll();

 private:
  void MoveOn();

  const size_t capacity_;
  const bool shared_;
  std::shared_ptr<char[]> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool moved_ = false;
};

}  // namespace filesync
