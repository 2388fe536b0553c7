#include "libs/base/scratch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "libs/base/files.h"
#include "libs/base/unique_fd.h"

namespace filesync {
namespace {

void WriteFile(const std::string& path, const std::string& bytes) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  ASSERT_TRUE(fd.ok());
  ASSERT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
}

std::string ReadIn(const std::string& directory, const std::string& name) {
  const absl::StatusOr<UniqueFd> fd = OpenDirectory(directory);
  if (!fd.ok()) return "no directory";
  return ReadFileAt(fd->get(), name, 1 << 20).value_or("nothing");
}

TEST(ScratchTest, ADirectoryGoesWithWhatIsInIt) {
  std::string path;
  {
    absl::StatusOr<ScratchDirectory> scratch = ScratchDirectory::Make();
    ASSERT_TRUE(scratch.ok()) << scratch.status();
    path = scratch->path();
    WriteFile(path + "/file", "x");
    EXPECT_TRUE(PathExists(path));
  }
  EXPECT_FALSE(PathExists(path));
}

TEST(ScratchTest, CopiesWhatIsThereAndLeavesOutWhatIsNot) {
  absl::StatusOr<ScratchDirectory> from = ScratchDirectory::Make();
  absl::StatusOr<ScratchDirectory> to = ScratchDirectory::Make();
  ASSERT_TRUE(from.ok() && to.ok());
  WriteFile(from->path() + "/a", "first");
  // A copy from before must not stand in for a file that is gone.
  WriteFile(to->path() + "/b", "old");
  const auto copied = CopyWhileStill(from->path(), {"a", "b"}, to->path(), absl::Seconds(30));
  ASSERT_TRUE(copied.ok()) << copied.status();
  EXPECT_EQ(*copied, std::vector<std::string>{"a"});
  EXPECT_EQ(ReadIn(to->path(), "a"), "first");
  EXPECT_FALSE(PathExists(to->path() + "/b"));
}

TEST(ScratchTest, AFileThatChangesAllTheTimeIsNotCopiedTorn) {
  absl::StatusOr<ScratchDirectory> from = ScratchDirectory::Make();
  absl::StatusOr<ScratchDirectory> to = ScratchDirectory::Make();
  ASSERT_TRUE(from.ok() && to.ok());
  constexpr size_t kSize = 256 << 10;
  std::atomic<bool> stop = false;
  WriteFile(from->path() + "/a", std::string(kSize, '0'));
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      WriteFile(from->path() + "/a", std::string(kSize, static_cast<char>('0' + i % 10)));
    }
  });
  const auto copied = CopyWhileStill(from->path(), {"a"}, to->path(), absl::Milliseconds(200));
  stop = true;
  writer.join();
  if (!copied.ok()) {
    EXPECT_TRUE(absl::IsUnavailable(copied.status())) << copied.status();
    return;
  }
  // The writer was held up for a while: then it is what stood there.
  const std::string copy = ReadIn(to->path(), "a");
  if (copy.empty()) return;  // about to be written
  EXPECT_EQ(copy, std::string(kSize, copy.front()));
}

}  // namespace
}  // namespace filesync
