#include "libs/base/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "libs/base/status.h"

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    const char* base = std::getenv("TEST_TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/filesync_files_XXXXXX";
    EXPECT_NE(mkdtemp(path_.data()), nullptr);
    EXPECT_EQ(mkdir(At("root").c_str(), 0755), 0);
    root_ = OpenDirectory(At("root")).value();
  }
  ~FilesTest() override { std::filesystem::remove_all(path_); }

  std::string At(const std::string& name) const { return path_ + "/" + name; }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(At(name)) << text;
  }
  int ErrorOf(std::string_view relative, int flags = O_RDONLY) const {
    return ErrnoOf(OpenBeneath(root_.get(), relative, flags).status());
  }

  std::string path_;
  UniqueFd root_;
};

TEST_F(FilesTest, OpensBeneathOnly) {
  Write("outside", "x");
  Write("root/inside", "x");
  std::filesystem::create_directory(At("root/d"));
  std::filesystem::create_symlink("inside", At("root/link"));
  std::filesystem::create_symlink("d", At("root/dirlink"));
  std::filesystem::create_symlink(At(""), At("root/up"));
  Write("root/d/deeper", "x");

  EXPECT_EQ(ErrorOf(""), 0);
  EXPECT_EQ(ErrorOf("inside"), 0);
  EXPECT_EQ(ErrorOf("d/deeper"), 0);
  EXPECT_EQ(ErrorOf("new", O_CREAT | O_EXCL | O_RDWR), 0);
  EXPECT_EQ(ErrorOf("missing"), ENOENT);
  EXPECT_EQ(ErrorOf("inside/below"), ENOTDIR);
  EXPECT_EQ(ErrorOf("../outside"), EXDEV);
  EXPECT_EQ(ErrorOf("d/../../outside"), EXDEV);
  EXPECT_EQ(ErrorOf(At("outside")), EXDEV);
  EXPECT_EQ(ErrorOf("link"), ELOOP);
  EXPECT_EQ(ErrorOf("dirlink/deeper"), ELOOP);
  EXPECT_EQ(ErrorOf("up/outside"), ELOOP);
  EXPECT_EQ(ErrorOf("link", O_PATH | O_NOFOLLOW), 0);
}

TEST_F(FilesTest, HandlesDoNotReachOtherPrograms) {
  const auto fd = OpenBeneath(root_.get(), "", O_RDONLY);
  EXPECT_EQ(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(FilesTest, OpensPathsLongerThanTheKernelTakes) {
  std::string path;
  UniqueFd at(dup(root_.get()));
  while (path.size() < 9000) {
    const std::string name(250, static_cast<char>('a' + path.size() % 26));
    ASSERT_EQ(mkdirat(at.get(), name.c_str(), 0755), 0);
    at = OpenBeneath(at.get(), name, O_PATH | O_DIRECTORY).value();
    path += path.empty() ? name : "/" + name;
  }
  EXPECT_EQ(ErrorOf(path), 0);
  EXPECT_EQ(ErrorOf(path + "/missing"), ENOENT);
  EXPECT_EQ(ErrorOf(std::string(5000, 'n')), ENAMETOOLONG);
}

TEST_F(FilesTest, ReplacesAtomically) {
  ASSERT_TRUE(ReplaceFile(root_.get(), "file", std::string(1000, 'a')).ok());
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    while (!stop) {
      const std::string text = ReadFileAt(root_.get(), "file", 4096).value();
      ASSERT_EQ(text.size(), 1000U);
      ASSERT_EQ(text, std::string(1000, text[0]));
    }
  });
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(ReplaceFile(root_.get(), "file", std::string(1000, 'a' + i % 26)).ok());
  }
  stop = true;
  reader.join();
  EXPECT_THAT(ListNames(At("root")).value(), ElementsAre("file"));
  struct stat info {};
  ASSERT_EQ(stat(At("root/file").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(FilesTest, AReplacementThatFailsLeavesNothing) {
  std::filesystem::create_directory(At("root/d"));
  EXPECT_FALSE(ReplaceFile(root_.get(), "d", "x").ok());
  EXPECT_THAT(ListNames(At("root")).value(), ElementsAre("d"));
}

TEST_F(FilesTest, ReadsSmallFilesOnly) {
  Write("root/file", "12345");
  std::filesystem::create_symlink("file", At("root/link"));
  EXPECT_EQ(ReadFileAt(root_.get(), "file", 5).value(), "12345");
  EXPECT_EQ(ReadFileAt(root_.get(), "file", 4).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadFileAt(root_.get(), "missing", 4).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrnoOf(ReadFileAt(root_.get(), "link", 9).status()), ELOOP);
}

TEST_F(FilesTest, NamesByPath) {
  EXPECT_TRUE(MakeDirectories(At("a/b/c")).ok());
  EXPECT_TRUE(MakeDirectories(At("a/b/c/")).ok());
  EXPECT_TRUE(PathExists(At("a/b/c")));
  EXPECT_FALSE(PathExists(At("a/x")));
  Write("file", "");
  EXPECT_FALSE(MakeDirectories(At("file/below")).ok());
  std::filesystem::create_symlink(At("a/b"), At("link"));
  EXPECT_EQ(CanonicalPath(At("link/../b/c")).value(),
            std::filesystem::canonical(At("a/b/c")).string());
  EXPECT_EQ(CanonicalPath(At("missing")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(OpenDirectory(At("file")).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(OpenDirectory(At("link")).ok());
  EXPECT_THAT(ListNames(path_).value(), UnorderedElementsAre("a", "file", "link", "root"));
  EXPECT_FALSE(ListNames(At("missing")).ok());
}

TEST_F(FilesTest, SetsDamagedFilesAsideWithWhatBelongsToThem) {
  Write("db", "database");
  Write("db-wal", "log");
  const auto aside = SetFileAside(At("db"), {"-wal", "-shm"}, 1700000000);
  ASSERT_TRUE(aside.ok()) << Describe(aside.status());
  EXPECT_EQ(*aside, At("db.damaged-1700000000"));
  EXPECT_THAT(ListNames(path_).value(),
              UnorderedElementsAre("root", "db.damaged-1700000000", "db.damaged-1700000000-wal"));
}

TEST_F(FilesTest, WhatBelongsToADamagedFileGoesFirst) {
  Write("db", "database");
  Write("db-wal", "log");
  // What can't be moved stops it, and then the file is still there: a new one would be taken
  // together with the old one's log.
  std::filesystem::create_directories(At("db.damaged-5-wal/full"));
  EXPECT_FALSE(SetFileAside(At("db"), {"-wal"}, 5).ok());
  EXPECT_TRUE(PathExists(At("db")));
}

TEST(UniqueFdTest, ClosesOnceAndMoves) {
  int raw = -1;
  {
    UniqueFd a(dup(0));
    raw = a.get();
    UniqueFd b(std::move(a));
    EXPECT_FALSE(a.ok());  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(b.get(), raw);
    EXPECT_GE(fcntl(raw, F_GETFD), 0);
  }
  EXPECT_LT(fcntl(raw, F_GETFD), 0);
  UniqueFd released(dup(0));
  raw = released.Release();
  EXPECT_FALSE(released.ok());
  EXPECT_EQ(close(raw), 0);
}

}  // namespace
}  // namespace filesync
