// Sparse files: holes that are written stay holes, and are told when reading.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "libs/base/status.h"
#include "libs/base/unique_fd.h"
#include "libs/location/temporary_tree.h"

namespace filesync {
namespace {

constexpr uint64_t kBlock = 4096;
constexpr uint64_t kMiB = 1 << 20;

class SparseTest : public testing::TestWithParam<std::string> {
 protected:
  SparseTest() : tree_(GetParam()), location_(OpenTree(tree_, &clock_)) {}

  void SetUp() override {
    const UniqueFd fd(open(tree_.At("probe").c_str(), O_RDWR | O_CREAT, 0600));
    ASSERT_EQ(ftruncate(fd.get(), 4 * kMiB), 0);
    if (Allocated("probe") >= kMiB) GTEST_SKIP() << "no holes on this file system";
  }

  uint64_t Allocated(const std::string& name) const {
    struct stat info {};
    EXPECT_EQ(::stat(tree_.At(name).c_str(), &info), 0);
    return static_cast<uint64_t>(info.st_blocks) * 512;
  }

  void Install(StagedFile& staged, const char* name) {
    ASSERT_TRUE(staged.SetMetadata(0644, 1).ok());
    const auto installed = location_->InstallFile(staged, P(name), std::nullopt);
    ASSERT_TRUE(installed.ok()) << Describe(installed.status());
    ASSERT_EQ(installed->kind, ApplyKind::kApplied);
  }

  SimulatedClock clock_{absl::Now()};
  const TemporaryTree tree_;
  std::unique_ptr<LocalDirectory> location_;
};

INSTANTIATE_TEST_SUITE_P(On, SparseTest, testing::ValuesIn(TestBases()),
                         [](const auto& base) { return "Base" + std::to_string(base.index); });

// Data, a long run of zeros, data, zeros up to the end.
std::string WithHoles() {
  std::string bytes = std::string(kBlock, 'a') + std::string(3 * kMiB + 100, '\0') +
                      std::string(kBlock, 'b') + std::string(2 * kMiB + 5, '\0');
  return bytes;
}

TEST_P(SparseTest, ZerosBecomeHolesInWhateverPiecesTheyCome) {
  const std::string bytes = WithHoles();
  for (const size_t piece : {size_t{1000}, size_t{64 << 10}, size_t{100'003}, bytes.size()}) {
    const std::string name = "file" + std::to_string(piece);
    // Space is reserved for all of it, which the holes give back.
    const auto staged = location_->Stage(P("staged"), bytes.size());
    ASSERT_TRUE(staged.ok()) << Describe(staged.status());
    for (size_t at = 0; at < bytes.size(); at += piece) {
      ASSERT_TRUE((*staged)->Append(std::string_view(bytes).substr(at, piece)).ok());
    }
    Install(**staged, name.c_str());
    EXPECT_TRUE(tree_.Read(name) == bytes) << piece;
    EXPECT_LT(Allocated(name), 64 << 10) << piece;
  }
}

TEST_P(SparseTest, ZerosThatAreCountedMakeOneHole) {
  const auto staged = location_->StageSparse(P("staged"), 2 * kBlock);
  ASSERT_TRUE(staged.ok()) << Describe(staged.status());
  ASSERT_TRUE((*staged)->AppendZeros(uint64_t{1} << 40).ok());
  ASSERT_TRUE((*staged)->Append("the end").ok());
  ASSERT_TRUE((*staged)->AppendZeros(1).ok());
  Install(**staged, "huge");
  EXPECT_EQ(Present(*location_, "huge").fingerprint.size, (uint64_t{1} << 40) + 8);
  EXPECT_LT(Allocated("huge"), 64 << 10);
}

TEST_P(SparseTest, NothingButZeros) {
  for (const size_t size : {size_t{1}, size_t{kBlock}, size_t{kBlock + 1}, size_t{3 * kMiB}}) {
    const std::string name = "zeros" + std::to_string(size);
    const auto staged = location_->Stage(P("staged"), size);
    ASSERT_TRUE(staged.ok());
    ASSERT_TRUE((*staged)->Append(std::string(size, '\0')).ok());
    Install(**staged, name.c_str());
    EXPECT_TRUE(tree_.Read(name) == std::string(size, '\0'));
    EXPECT_LE(Allocated(name), kBlock);
  }
}

TEST_P(SparseTest, FilesWithoutZerosAreWhole) {
  std::string bytes;
  for (size_t i = 0; i < 3 * kMiB; ++i) bytes.push_back(static_cast<char>(i % 251 + 1));
  const auto staged = location_->Stage(P("staged"), bytes.size());
  ASSERT_TRUE(staged.ok());
  ASSERT_TRUE((*staged)->Append(bytes).ok());
  Install(**staged, "dense");
  EXPECT_TRUE(tree_.Read("dense") == bytes);
  EXPECT_GE(Allocated("dense"), bytes.size());
}

TEST_P(SparseTest, HolesAreToldWithoutReading) {
  const UniqueFd fd(open(tree_.At("file").c_str(), O_RDWR | O_CREAT, 0600));
  ASSERT_EQ(pwrite(fd.get(), "x", 1, 0), 1);
  ASSERT_EQ(pwrite(fd.get(), "y", 1, 8 * kMiB), 1);
  ASSERT_EQ(ftruncate(fd.get(), 16 * kMiB), 0);
  const auto file = location_->Open(P("file"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->NextData(0), 0U);
  EXPECT_GT((*file)->NextData(kMiB), 7 * kMiB);
  EXPECT_LE((*file)->NextData(kMiB), 8 * kMiB);
  EXPECT_EQ((*file)->NextData(8 * kMiB), 8 * kMiB);
  EXPECT_EQ((*file)->NextData(9 * kMiB), UINT64_MAX);
}

}  // namespace
}  // namespace filesync
