// TemporaryTree: a directory for one test, and hands that change it as any other program does.
// For tests only. Thread-compatible.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/clock.h"
#include "libs/location/local_directory.h"

namespace filesync {

class TemporaryTree {
 public:
  // Made below `base`, removed with all that is in it when this goes.
  explicit TemporaryTree(const std::string& base);
  TemporaryTree(const TemporaryTree&) = delete;
  TemporaryTree& operator=(const TemporaryTree&) = delete;
  ~TemporaryTree();

  const std::string& path() const { return path_; }
  std::string At(std::string_view relative) const { return path_ + "/" + std::string(relative); }
  // Writes in place, making the file if there is none.
  void Write(std::string_view relative, std::string_view bytes) const;
  // Writes another file and renames it over, as careful programs save.
  void Save(std::string_view relative, std::string_view bytes) const;
  std::string Read(std::string_view relative) const;
  void Mkdir(std::string_view relative, unsigned mode = 0755) const;
  void Symlink(const std::string& target, std::string_view relative) const;
  void Rename(std::string_view from, std::string_view to) const;
  // Swaps two names atomically.
  void Exchange(std::string_view a, std::string_view b) const;
  void Delete(std::string_view relative) const;
  void Chmod(std::string_view relative, unsigned mode) const;
  unsigned ModeOf(std::string_view relative) const;
  bool Exists(std::string_view relative) const;
  // Sorted names in a directory.
  std::vector<std::string> Names(std::string_view relative) const;
  // The contents of all files in a directory, sorted.
  std::vector<std::string> Contents(std::string_view relative) const;

 private:
  std::string path_;
};

// Where trees are made: the directory for tests, and a tmpfs where there is one.
std::vector<std::string> TestBases();

RelPath P(std::string_view path);

// Runs `body` in a child process and returns whether nothing failed in it. For what changes a
// whole process: its user, its system call filter, its mounts.
bool PassesInChild(const std::function<void()>& body);
// In a child: goes on as a user with no rights.
void BecomeNobody();
// In a child: file systems know neither RENAME_NOREPLACE nor RENAME_EXCHANGE from now on.
void ForbidRenameFlags();
// In a child: from now on `hook` runs before each rename but the trees' own, with its number from
// 1: another program that acts at the worst moment.
void BeforeEachRename(std::function<void(int number)> hook);
// In a child: mounts a tmpfs of `bytes`; false where that is not allowed.
bool MountTinyTmpfs(const std::string& path, size_t bytes);
// In a child: allows `count` inotify watches; false where that is not allowed.
bool LimitWatches(int count);

// Opens the tree; the test fails when that does.
std::unique_ptr<LocalDirectory> OpenTree(const TemporaryTree& tree, const Clock* clock);
// A staged file with this content.
std::unique_ptr<StagedFile> StageBytes(Location& location, std::string_view bytes,
                                       uint32_t mode = 0644, int64_t mtime_ns = 1'000'000'007);
// Stages and installs.
absl::StatusOr<ApplyResult> InstallBytes(Location& location, std::string_view path,
                                         std::string_view bytes,
                                         const std::optional<Fingerprint>& expected);
// What LookAt says of a path that must be there.
LocalEntry Present(Location& location, std::string_view path);
Look::Presence PresenceOf(Location& location, std::string_view path);

}  // namespace filesync
