// What other programs do at the same time: nothing they save is lost, nothing outside is touched.
// Each test hammers for a while; a window that is open is hit within that time.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "libs/base/status.h"
#include "libs/base/unique_fd.h"
#include "libs/location/local_directory.h"
#include "libs/location/temporary_tree.h"

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr absl::Duration kHammering = absl::Milliseconds(1500);
constexpr int kEnoughRounds = 3000;

// Runs `body` again and again in a thread until this goes.
class Hammer {
 public:
  explicit Hammer(std::function<void()> body)
      : thread_([this, body = std::move(body)] {
          while (!stop_) body();
        }) {}
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  ~Hammer() { Stop(); }

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

class RacesTest : public testing::Test {
 protected:
  RacesTest()
      : outside_(TestBases().back()), tree_(TestBases().back()), saves_(TestBases().back()) {
    location_ = OpenTree(tree_, &clock_);
    deadline_ = absl::Now() + kHammering;
  }

  bool Goes(int round) const { return round < kEnoughRounds && absl::Now() < deadline_; }

  // A program that saves `name` by renaming, and keeps what its save displaced, so that each
  // content has to turn up somewhere. A save to a free name just takes it.
  void SaveKeeping(const std::string& name) {
    const std::string content = "save " + std::to_string(saved_.size());
    const std::string file = saves_.At(content);
    saves_.Write(content, content);
    struct stat info {};
    ASSERT_EQ(stat(file.c_str(), &info), 0);
    {
      absl::MutexLock lock(&mutex_);
      saver_inodes_.insert(info.st_ino);
    }
    const std::string target = tree_.At(name);
    while (renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0 &&
           renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0) {
    }
    saved_.push_back(content);
  }
  bool IsSavers(const Fingerprint& fingerprint) {
    absl::MutexLock lock(&mutex_);
    return saver_inodes_.contains(fingerprint.inode);
  }

  // All that is on disk by now, in the tree, the trash, and with the saver.
  std::multiset<std::string> OnDisk() {
    std::multiset<std::string> contents;
    for (const std::string& directory : {std::string(""), std::string(".syncagent/trash")}) {
      for (const std::string& name : tree_.Names(directory)) {
        if (name != ".syncagent") contents.insert(tree_.Read(directory + "/" + name));
      }
    }
    for (const std::string& content : saves_.Contents("")) contents.insert(content);
    return contents;
  }
  void ExpectNothingLost() {
    const std::multiset<std::string> on_disk = OnDisk();
    for (const std::string& content : saved_) {
      ASSERT_EQ(on_disk.count(content), 1U) << content << " of " << saved_.size();
    }
    EXPECT_THAT(tree_.Names(".syncagent/tmp"), IsEmpty());
  }

  RealClock clock_;
  const TemporaryTree outside_;
  const TemporaryTree tree_;
  const TemporaryTree saves_;
  std::unique_ptr<LocalDirectory> location_;
  absl::Time deadline_;
  std::vector<std::string> saved_;
  absl::Mutex mutex_;
  std::set<uint64_t> saver_inodes_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(RacesTest, NoSaveIsLostToAnInstall) {
  tree_.Write("file", "first");
  int applied = 0, changed = 0;
  {
    Hammer saver([&] { SaveKeeping("file"); });
    for (int round = 0; Goes(round); ++round) {
      const Look look = location_->LookAt(P("file"));
      ASSERT_EQ(look.presence, Look::Presence::kPresent);
      const auto result = InstallBytes(*location_, "file", "remote", look.entry.fingerprint);
      ASSERT_TRUE(result.ok()) << Describe(result.status());
      (result->kind == ApplyKind::kApplied ? applied : changed)++;
      // A fingerprint of somebody's save would hide it for ever.
      ASSERT_FALSE(result->kind == ApplyKind::kApplied && IsSavers(result->fingerprint));
    }
  }
  ExpectNothingLost();
  EXPECT_GT(applied, 0);
  EXPECT_GT(changed, 0);
}

TEST_F(RacesTest, NoSaveIsLostToAnInstallOfANewFile) {
  int applied = 0;
  {
    Hammer saver([&] { SaveKeeping("file"); });
    for (int round = 0; Goes(round); ++round) {
      const auto result = InstallBytes(*location_, "file", "remote", std::nullopt);
      ASSERT_TRUE(result.ok()) << Describe(result.status());
      if (result->kind == ApplyKind::kApplied) {
        ++applied;
        ASSERT_FALSE(IsSavers(result->fingerprint));
      }
      const Look look = location_->LookAt(P("file"));
      if (look.presence == Look::Presence::kPresent) {
        ASSERT_TRUE(location_->Remove(P("file"), look.entry.fingerprint).ok());
      }
    }
  }
  ExpectNothingLost();
  EXPECT_GT(applied, 0);
}

TEST_F(RacesTest, NoSaveIsLostToARemoval) {
  {
    Hammer saver([&] { SaveKeeping("file"); });
    for (int round = 0; Goes(round); ++round) {
      const Look look = location_->LookAt(P("file"));
      if (look.presence != Look::Presence::kPresent) continue;
      ASSERT_TRUE(location_->Remove(P("file"), look.entry.fingerprint).ok());
    }
  }
  ExpectNothingLost();
}

TEST_F(RacesTest, AMoveMovesWhatItSays) {
  {
    Hammer saver([&] { SaveKeeping("from"); });
    for (int round = 0; Goes(round); ++round) {
      const Look look = location_->LookAt(P("from"));
      if (look.presence != Look::Presence::kPresent) continue;
      const RelPath to = P("to" + std::to_string(round));
      const auto result = location_->Move(P("from"), look.entry.fingerprint, to);
      if (!result.ok()) {
        ASSERT_TRUE(absl::IsNotFound(result.status())) << Describe(result.status());
      } else if (result->kind == ApplyKind::kApplied) {
        ASSERT_EQ(result->fingerprint.inode, look.entry.fingerprint.inode);
        const Fingerprint now = location_->LookAt(to).entry.fingerprint;
        ASSERT_TRUE(now == result->fingerprint)
            << now.inode << " " << now.mtime_ns << " " << now.ctime_ns << " is not "
            << result->fingerprint.inode << " " << result->fingerprint.mtime_ns << " "
            << result->fingerprint.ctime_ns;
      }
    }
  }
  ExpectNothingLost();
}

TEST_F(RacesTest, NoLineIsLostThatIsAppendedInPlace) {
  tree_.Write("file", "");
  std::set<std::string> lines;
  {
    Hammer writer([&] {
      const std::string line = "line " + std::to_string(lines.size()) + "\n";
      const UniqueFd fd(open(tree_.At("file").c_str(), O_WRONLY | O_APPEND));
      ASSERT_TRUE(fd.ok());
      ASSERT_EQ(write(fd.get(), line.data(), line.size()), static_cast<ssize_t>(line.size()));
      lines.insert(line);
    });
    for (int round = 0; Goes(round); ++round) {
      const Look look = location_->LookAt(P("file"));
      ASSERT_TRUE(InstallBytes(*location_, "file", "", look.entry.fingerprint).ok());
    }
  }
  std::string all = tree_.Read("file");
  for (const std::string& content : tree_.Contents(".syncagent/trash")) all += content;
  std::set<std::string> found;
  for (size_t at = 0, end = 0; (end = all.find('\n', at)) != std::string::npos; at = end + 1) {
    found.insert(all.substr(at, end + 1 - at));
  }
  EXPECT_EQ(found, lines);
}

// After SetMetadata, a file whose fingerprint is the one returned has the content it had before.
TEST_F(RacesTest, SettingTimesHidesNoWriting) {
  constexpr size_t kSize = 8;
  tree_.Write("file", "00000000");
  const auto content = [&] { return tree_.Read("file"); };
  const auto file = location_->Open(P("file"));
  ASSERT_TRUE(file.ok());
  int applied = 0;
  constexpr int kEnough = 500;
  {
    int count = 0;
    Hammer writer([&] {
      const std::string bytes = fmt::format("{:08}", ++count);
      const UniqueFd fd(open(tree_.At("file").c_str(), O_WRONLY));
      ASSERT_EQ(pwrite(fd.get(), bytes.data(), kSize, 0), static_cast<ssize_t>(kSize));
      if (count % 4 == 0) absl::SleepFor(absl::Microseconds(100));
    });
    const absl::Time patience = absl::Now() + absl::Seconds(20);
    for (int round = 0; applied < kEnough && absl::Now() < (applied > 0 ? deadline_ : patience);
         ++round) {
      // Where nothing can be proven, there is nothing to wait for.
      if (!location_->HasFineGrainedTimes() && absl::Now() > deadline_) break;
      const Fingerprint seen = Present(*location_, "file").fingerprint;
      if (!location_->HasFineGrainedTimes() &&
          absl::Now() - absl::FromUnixNanos(seen.ctime_ns) < absl::Milliseconds(20)) {
        continue;  // this stat proves nothing yet
      }
      // The kernel sets the times of a write before it copies the bytes.
      if ((*file)->HasWriters()) continue;
      const std::string before = content();
      const auto result = location_->SetMetadata(P("file"), seen, 0644 + round % 2, 1000 + round);
      ASSERT_TRUE(result.ok()) << Describe(result.status());
      if (result->kind != ApplyKind::kApplied) continue;
      ++applied;
      const std::string after = content();
      if (Present(*location_, "file").fingerprint == result->fingerprint) {
        ASSERT_EQ(before, after);
      }
    }
  }
  EXPECT_TRUE(applied > 0 || !location_->HasFineGrainedTimes());
}

TEST_F(RacesTest, MetadataGoesToTheFileThatWasMeant) {
  tree_.Write("file", "first");
  {
    Hammer saver([&] { SaveKeeping("file"); });
    for (int round = 0; Goes(round); ++round) {
      const Fingerprint seen = Present(*location_, "file").fingerprint;
      const auto result = location_->SetMetadata(P("file"), seen, 0600, seen.mtime_ns);
      ASSERT_TRUE(result.ok()) << Describe(result.status());
      ASSERT_TRUE(result->kind == ApplyKind::kChanged || result->fingerprint.inode == seen.inode);
    }
  }
  ExpectNothingLost();
}

// Another user swaps a directory in the path for a symlink to somewhere else, all the time.
class SwapTest : public RacesTest {
 protected:
  SwapTest() {
    tree_.Mkdir("d");
    tree_.Mkdir("d/sub");
    tree_.Symlink(outside_.path(), "swap");
    outside_.Write("file", "outside");
    outside_.Write("secret", "outside");
    outside_.Mkdir("sub", 0755);
    outside_.Mkdir("empty", 0755);
    outside_.Chmod("file", 0640);
    before_ = Figures();
  }

  std::string Figures() const {
    std::string figures;
    for (const std::string& name : outside_.Names("")) {
      struct stat info {};
      EXPECT_EQ(lstat(outside_.At(name).c_str(), &info), 0);
      figures += fmt::format("{} {} {:o} {}.{}\n", name, info.st_ino, info.st_mode,
                             info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    }
    return figures;
  }

  // Calls `step` while the names swap; what it returns tells whether it got through.
  void WhileSwapping(const std::function<bool()>& step) {
    int through = 0, refused = 0;
    {
      Hammer swapper([&] { tree_.Exchange("d", "swap"); });
      const absl::Time deadline = absl::Now() + absl::Milliseconds(300);
      while (absl::Now() < deadline) (step() ? through : refused)++;
    }
    EXPECT_GT(through, 0);
    EXPECT_GT(refused, 0);
    EXPECT_EQ(Figures(), before_);
  }

  std::string before_;
};

TEST_F(SwapTest, LookingAndReadingStayInside) {
  WhileSwapping([&] {
    EXPECT_NE(PresenceOf(*location_, "d/secret"), Look::Presence::kPresent);
    EXPECT_FALSE(location_->Open(P("d/secret")).ok());
    const auto listing = location_->List(P("d"));
    if (!listing.ok()) return false;
    for (const LocalEntry& entry : listing->entries) EXPECT_EQ(entry.path.bytes(), "d/sub");
    return true;
  });
}

TEST_F(SwapTest, InstallingStaysInside) {
  int number = 0;
  WhileSwapping([&] {
    const std::string name = "d/new" + std::to_string(++number);
    const auto link = location_->InstallSymlink(P(name + "l"), "x", 1, std::nullopt);
    const auto directory = location_->MakeDirectory(P("d/empty"), 0711);
    const auto replaced =
        InstallBytes(*location_, "d/file", "x", location_->LookAt(P("d/file")).entry.fingerprint);
    return InstallBytes(*location_, name, "x", std::nullopt).ok();
  });
}

TEST_F(SwapTest, RemovingAndMovingStayInside) {
  struct stat info {};
  ASSERT_EQ(stat(outside_.At("empty").c_str(), &info), 0);
  const Fingerprint empty = {info.st_dev, info.st_ino, 0, 0, 0};
  tree_.Write("mine", "mine");
  const Fingerprint mine = Present(*location_, "mine").fingerprint;
  WhileSwapping([&] {
    (void)location_->Remove(P("d/empty"), empty);
    (void)location_->Move(P("d/empty"), empty, P("stolen"));
    const auto out = location_->Move(P("mine"), mine, P("d/mine"));
    if (!out.ok() || out->kind != ApplyKind::kApplied) return false;
    while (true) {
      const auto back = location_->Move(P("d/mine"), mine, P("mine"));
      if (back.ok() && back->kind == ApplyKind::kApplied) return true;
    }
  });
  EXPECT_FALSE(tree_.Exists("stolen"));
}

TEST_F(SwapTest, MetadataStaysInside) {
  struct stat info {};
  ASSERT_EQ(stat(outside_.At("empty").c_str(), &info), 0);
  const Fingerprint empty = {info.st_dev, info.st_ino, 0, 0, 0};
  tree_.Write("d/own", "own");
  WhileSwapping([&] {
    (void)location_->SetMetadata(P("d/empty"), empty, 0777, 1);
    const Look look = location_->LookAt(P("d/own"));
    if (look.presence != Look::Presence::kPresent) return false;
    return location_->SetMetadata(P("d/own"), look.entry.fingerprint, 0600, 12).ok();
  });
}

// The last component itself is swapped: a file and a symlink to a file outside.
TEST_F(SwapTest, TheLastComponentIsNotFollowedEither) {
  tree_.Write("own", "own");
  tree_.Symlink(outside_.At("file"), "other");
  {
    Hammer swapper([&] { tree_.Exchange("own", "other"); });
    const absl::Time deadline = absl::Now() + absl::Milliseconds(300);
    while (absl::Now() < deadline) {
      const Fingerprint seen = location_->LookAt(P("own")).entry.fingerprint;
      (void)location_->SetMetadata(P("own"), seen, 0777, 1);
      if (const auto file = location_->Open(P("own")); file.ok()) {
        char byte = 0;
        ASSERT_EQ((*file)->ReadAt(1, &byte, 1).value(), 1U);
        ASSERT_EQ(byte, 'w');
      }
      (void)location_->MakeDirectory(P("own"), 0777);
    }
  }
  EXPECT_EQ(Figures(), before_);
  EXPECT_EQ(outside_.Read("file"), "outside");
}

}  // namespace
}  // namespace filesync
