#include "agent/engine/file_preparer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <utility>

#include "libs/base/unique_fd.h"
#include "libs/chunking/fast_cdc.h"
#include "libs/chunking/zero_run.h"
#include "libs/content/hasher.h"
#include "libs/location/faulty_location.h"
#include "libs/location/local_directory.h"

namespace filesync {
namespace {

constexpr uint64_t kMiB = 1 << 20;

// What plain cutting makes of the bytes.
std::vector<ChunkRef> PlainChunks(std::string_view bytes, const ChunkSizes& sizes) {
  std::vector<ChunkRef> chunks;
  while (!bytes.empty()) {
    const size_t length = FirstChunkLength(bytes.substr(0, sizes.max()), sizes);
    chunks.push_back(
        {HashChunk(ChunkKind::kData, bytes.substr(0, length)), static_cast<uint32_t>(length)});
    bytes.remove_prefix(length);
  }
  return chunks;
}

class Collected : public ChunkSink {
 public:
  void Take(const ChunkRef& ref, absl::Cord plain) override {
    EXPECT_EQ(HashChunk(ChunkKind::kData, plain), ref.id);
    refs.push_back(ref);
    kept.push_back(std::move(plain));
  }
  void SkipHole() override { ++holes; }
  std::vector<ChunkRef> refs;
  std::vector<absl::Cord> kept;
  int holes = 0;
};

class FilePreparerTest : public testing::Test {
 protected:
  FilePreparerTest() { location_ = LocalDirectory::Open(path_, &clock_).value(); }
  ~FilePreparerTest() override {
    location_.reset();
    std::filesystem::remove_all(path_);
  }
  std::string At(const std::string& name) const { return path_ + "/" + name; }

  PreparedFile Prepare(const char* name, ChunkSink* sink = nullptr) {
    FilePreparer preparer(location_.get(), &clock_);
    std::atomic<int64_t> budget = 64 << 20;
    PrepareRequest request;
    request.path = RelPath::Parse(name).value();
    request.sink = sink;
    return preparer.Prepare(request, budget);
  }

  SimulatedClock clock_{absl::Now() + absl::Hours(1)};
  const std::string path_ = [] {
    std::string path = testing::TempDir() + "/filesync_preparer_XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    return path;
  }();
  std::unique_ptr<LocalDirectory> location_;
};

TEST_F(FilePreparerTest, HolesAreCutAsIfTheyWereRead) {
  // Data of a few bytes at odd places, so that holes of many lengths begin anywhere in a chunk.
  const std::vector<std::pair<uint64_t, uint64_t>> kLayouts[] = {
      {},
      {{0, 10}},
      {{0, kMiB + 17}, {5 * kMiB + 3, 100'000}},
      {{7 * kMiB - 1, 1}},
      {{100, 1}, {300'000, 5}, {600'000, 3}, {11 * kMiB, 2 * kMiB - 7}},
      {{12 * kMiB - 1, 1}},
  };
  for (const auto& layout : kLayouts) {
    std::string bytes(12 * kMiB, '\0');
    const UniqueFd fd(open(At("file").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600));
    ASSERT_EQ(ftruncate(fd.get(), static_cast<off_t>(bytes.size())), 0);
    for (const auto& [offset, size] : layout) {
      for (uint64_t i = offset; i < std::min<uint64_t>(offset + size, bytes.size()); ++i) {
        bytes[i] = static_cast<char>(i * 2654435761u >> 13 | 1);
      }
      ASSERT_GT(pwrite(fd.get(), bytes.data() + offset,
                       std::min<uint64_t>(size, bytes.size() - offset), static_cast<off_t>(offset)),
                0);
    }
    const PreparedFile prepared = Prepare("file");
    ASSERT_EQ(prepared.kind, PreparedFile::Kind::kReady);
    EXPECT_EQ(prepared.chunks, PlainChunks(bytes, ChunkSizes{prepared.content.average_size}));
  }
}

TEST_F(FilePreparerTest, AHoleIsNotReadAndItsChunkToldOnce) {
  {
    const UniqueFd fd(open(At("file").c_str(), O_RDWR | O_CREAT, 0600));
    // So large that reading it would end in the deadline.
    ASSERT_EQ(ftruncate(fd.get(), off_t{200} << 30), 0);
    ASSERT_EQ(pwrite(fd.get(), "end", 3, (off_t{200} << 30) - 3), 3);
  }
  Collected sink;
  const PreparedFile prepared = Prepare("file", &sink);
  ASSERT_EQ(prepared.kind, PreparedFile::Kind::kReady);
  EXPECT_EQ(prepared.content.size, uint64_t{200} << 30);
  EXPECT_GT(prepared.chunks.size(), 100'000U);
  ASSERT_FALSE(sink.refs.empty());
  EXPECT_LT(sink.refs.size(), 10U);
  EXPECT_EQ(sink.holes, 1);
  EXPECT_EQ(sink.refs.front(), ZeroChunk(ChunkSizes{prepared.content.average_size}));
}

// Saves once more, in the same tick of the file system's clock, when somebody waits for it to pass.
class SavingClock final : public Clock {
 public:
  SavingClock(absl::Time now, std::function<void()> save) : now_(now), save_(std::move(save)) {}
  absl::Time Now() const override { return now_; }
  void Sleep(absl::Duration duration) override {
    if (save_) std::exchange(save_, nullptr)();
    now_ += duration;
  }

 private:
  absl::Time now_;
  std::function<void()> save_;
};

TEST_F(FilePreparerTest, AStampOfThisTickIsNotTrustedWhereTimesCountInTicks) {
  bool coarse = true;
  FaultyLocation location(std::move(location_), [&](std::string_view call, const RelPath&) {
    return coarse && call == "HasFineGrainedTimes" ? absl::UnknownError("ticks") : absl::OkStatus();
  });
  const timespec stamp[] = {{1'700'000'000, 0}, {1'700'000'000, 0}};
  const auto save = [&](const char* text) {
    std::ofstream(At("file")) << text;
    ASSERT_EQ(utimensat(AT_FDCWD, At("file").c_str(), stamp, 0), 0);
  };
  save("first");
  struct stat info = {};
  ASSERT_EQ(stat(At("file").c_str(), &info), 0);
  const absl::Time touched = absl::TimeFromTimespec(info.st_ctim);
  PrepareRequest request;
  request.path = RelPath::Parse("file").value();
  const auto prepare_at = [&](absl::Time now) {
    SavingClock clock(now, [&] { save("later"); });
    std::atomic<int64_t> budget = 1 << 20;
    return FilePreparer(&location, &clock).Prepare(request, budget).content.hash;
  };
  const ContentHash later = [&] {
    save("later");
    const ContentHash hash = prepare_at(touched + absl::Hours(1));
    save("first");
    return hash;
  }();
  EXPECT_EQ(prepare_at(touched + absl::Milliseconds(5)), later);
  // What is older than a tick has no need of it.
  save("first");
  EXPECT_NE(prepare_at(touched + absl::Hours(1)), later);
}

// What a sink keeps stays what it was, however much is read after it.
TEST_F(FilePreparerTest, WhatASinkKeepsIsNotWrittenOver) {
  std::string bytes(24 * kMiB, '\0');
  uint64_t state = 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(state >> 56);
  }
  std::ofstream(At("file"), std::ios::binary) << bytes;
  Collected sink;
  const PreparedFile prepared = Prepare("file", &sink);
  ASSERT_EQ(prepared.kind, PreparedFile::Kind::kReady);
  absl::Cord whole;
  for (const absl::Cord& plain : sink.kept) whole.Append(plain);
  EXPECT_TRUE(whole == bytes);
  EXPECT_EQ(prepared.chunks, sink.refs);
  EXPECT_EQ(prepared.chunks, PlainChunks(bytes, ChunkSizes{prepared.content.average_size}));
}

}  // namespace
}  // namespace filesync
