#include "agent/engine/scanner.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>

#include "libs/base/clock.h"
#include "libs/location/local_directory.h"

namespace filesync {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

RelPath P(const std::string& path) { return RelPath::Parse(path).value(); }

class Recorder final : public ScanSink {
 public:
  void OnCandidates(std::vector<RelPath> paths) override {
    for (const RelPath& path : paths) candidates.push_back(path.bytes());
  }
  void OnToRead(std::vector<RelPath> paths) override {
    for (const RelPath& path : paths) to_read.push_back(path.bytes());
  }
  void OnMissing(std::vector<RelPath> paths) override {
    for (const RelPath& path : paths) missing.push_back(path.bytes());
  }
  void OnUnknown(const RelPath& directory, const absl::Status&) override {
    unknown.push_back(directory.bytes());
  }
  void OnSkipped(const std::string& what) override { skipped.push_back(what); }
  bool Cancelled() override { return false; }

  std::vector<std::string> candidates, to_read, missing, unknown, skipped;
};

class ScannerTest : public testing::Test {
 protected:
  ScannerTest() {
    location_ = LocalDirectory::Open(path_, &clock_).value();
    state_ = State::Open(path_ + "/.syncagent/state.db").value();
    watcher_ = location_->NewWatcher().value();
    filters_ = std::make_unique<Filters>(location_.get(), &clock_, &log_, FilterOptions());
  }
  ~ScannerTest() override {
    watcher_.reset();
    state_.reset();
    location_.reset();
    fs::remove_all(path_);
  }
  void Write(const std::string& name, const std::string& text) {
    fs::create_directories(fs::path(path_ + "/" + name).parent_path());
    std::ofstream(path_ + "/" + name) << text;
  }
  Recorder ScanAll(CompareBy compare = CompareBy::kQuick) {
    Recorder recorder;
    EXPECT_TRUE(
        Scan(RelPath(), *location_, watcher_.get(), *filters_, *state_, recorder, compare).ok());
    return recorder;
  }
  // What stands there counts as in step.
  void Agree(const std::string& name) {
    const Look look = location_->LookAt(P(name));
    BaseRow row;
    row.entry.path = P(name);
    row.entry.type = EntryType::kFile;
    row.entry.mode = look.entry.mode;
    row.fingerprint = look.entry.fingerprint;
    ASSERT_TRUE(state_->PutBase(row).ok());
  }

  RealClock clock_;
  const std::string path_ = [] {
    std::string path = testing::TempDir() + "/filesync_scanner_XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    return path;
  }();
  std::unique_ptr<LocalDirectory> location_;
  std::unique_ptr<State> state_;
  Logger log_{LogLevel::kOff, [](LogLevel, std::string_view) {}};
  std::unique_ptr<Filters> filters_;
  std::unique_ptr<Watcher> watcher_;
};

TEST_F(ScannerTest, EverythingIsNewToAnEmptyState) {
  Write("a/b/file", "x");
  Write("top", "y");
  fs::create_symlink("top", path_ + "/link");
  const Recorder recorder = ScanAll();
  EXPECT_THAT(recorder.candidates, UnorderedElementsAre("a", "a/b", "a/b/file", "top", "link"));
  EXPECT_THAT(recorder.missing, IsEmpty());
}

TEST_F(ScannerTest, WhatIsNeitherFileNorDirectoryNorSymlinkIsSkipped) {
  ASSERT_EQ(mkfifo((path_ + "/pipe").c_str(), 0600), 0);
  const Recorder recorder = ScanAll();
  EXPECT_THAT(recorder.candidates, IsEmpty());
  EXPECT_EQ(recorder.skipped.size(), 1u);
}

TEST_F(ScannerTest, MissingRootIsAnErrorAndNoDeletion) {
  Recorder recorder;
  EXPECT_TRUE(absl::IsNotFound(
                  Scan(P("gone"), *location_, nullptr, *filters_, *state_, recorder).status()) ||
              !recorder.unknown.empty());
  EXPECT_THAT(recorder.missing, IsEmpty());
}

TEST_F(ScannerTest, NewDirectoryIsScannedOnceWhoeverMeetsItFirst) {
  Write("new/below/file", "x");
  Recorder first;
  auto totals = ScanIfNew(P("new"), *location_, watcher_.get(), *filters_, *state_, first);
  ASSERT_TRUE(totals.ok());
  EXPECT_FALSE(totals->needless);
  EXPECT_THAT(first.candidates, UnorderedElementsAre("new/below", "new/below/file"));
  for (const char* directory : {"new", "new/below"}) {
    Recorder again;
    totals = ScanIfNew(P(directory), *location_, watcher_.get(), *filters_, *state_, again);
    ASSERT_TRUE(totals.ok());
    EXPECT_TRUE(totals->needless) << directory;
    EXPECT_THAT(again.candidates, IsEmpty());
  }
}

TEST_F(ScannerTest, ReplacedOrMovedDirectoryIsNewAgain) {
  Write("one/file", "x");
  ScanAll();
  fs::rename(path_ + "/one", path_ + "/two");
  Write("one/other", "y");
  for (const auto& [directory, file] :
       {std::pair("two", "two/file"), std::pair("one", "one/other")}) {
    Recorder recorder;
    const auto totals =
        ScanIfNew(P(directory), *location_, watcher_.get(), *filters_, *state_, recorder);
    ASSERT_TRUE(totals.ok());
    EXPECT_FALSE(totals->needless) << directory;
    EXPECT_THAT(recorder.candidates, UnorderedElementsAre(file));
  }
}

TEST_F(ScannerTest, WhatCountsAsChangedIsAMatterOfTheComparison) {
  using enum CompareBy;
  const auto touched = [this](const std::string& name, fs::file_time_type time) {
    fs::last_write_time(path_ + "/" + name, time);
  };
  const fs::file_time_type before = fs::file_time_type::clock::now() - std::chrono::hours(1);
  for (const char* name : {"same", "copied", "resized", "edited", "touched"}) {
    Write(name, "12345");
    touched(name, before);
    Agree(name);
  }
  fs::remove(path_ + "/copied");
  Write("copied", "12345");  // another inode, with the times of the old one
  touched("copied", before);
  Write("resized", "123456");
  touched("resized", before);
  Write("edited", "abcde");
  touched("edited", before);
  touched("touched", before + std::chrono::minutes(1));
  const std::map<CompareBy, std::vector<std::string>> expected = {
      {kQuick, {"copied", "edited", "resized", "touched"}},
      {kHash, {"copied", "edited", "resized", "touched"}},
      {kSize, {"resized"}},
      {kMtime, {"touched"}},
      {kSizeMtime, {"resized", "touched"}},
  };
  for (const auto& [compare, names] : expected) {
    const Recorder recorder = ScanAll(compare);
    EXPECT_EQ(recorder.candidates, names) << CompareName(compare);
    EXPECT_EQ(recorder.to_read.size(), compare == kHash ? 1 : 0) << CompareName(compare);
    EXPECT_THAT(recorder.missing, IsEmpty());
  }
}

TEST_F(ScannerTest, PermissionsCountWhateverTheComparison) {
  Write("file", "x");
  Agree("file");
  fs::permissions(path_ + "/file", fs::perms::owner_read);
  for (const CompareBy compare : {CompareBy::kSize, CompareBy::kMtime, CompareBy::kSizeMtime}) {
    EXPECT_THAT(ScanAll(compare).candidates, UnorderedElementsAre("file"));
  }
}

TEST_F(ScannerTest, WithoutAWatcherEveryScanLooks) {
  Write("new/file", "x");
  for (int i = 0; i < 2; ++i) {
    Recorder recorder;
    ASSERT_TRUE(ScanIfNew(P("new"), *location_, nullptr, *filters_, *state_, recorder).ok());
    EXPECT_THAT(recorder.candidates, UnorderedElementsAre("new/file"));
  }
}

}  // namespace
}  // namespace filesync
