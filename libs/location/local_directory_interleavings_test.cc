// Other programs that act at the worst moment: just before one of the renames that an operation
// is made of. Each case is one interleaving, played exactly.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "libs/base/status.h"
#include "libs/base/unique_fd.h"
#include "libs/location/local_directory.h"
#include "libs/location/temporary_tree.h"

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class InterleavingsTest : public testing::Test {
 protected:
  InterleavingsTest() : tree_(TestBases().front()) { location_ = OpenTree(tree_, &clock_); }

  // Runs `operation` on "file", which is "old", with `meanwhile` before each of its renames, and
  // then `check`.
  void Play(const std::function<void(const Fingerprint& old)>& operation,
            const std::function<void(int number)>& meanwhile, const std::function<void()>& check) {
    tree_.Write("file", "old");
    EXPECT_TRUE(PassesInChild([&] {
      const Fingerprint old = Present(*location_, "file").fingerprint;
      BeforeEachRename([&](int number) {
        ++renames_;
        meanwhile(number);
      });
      operation(old);
      check();
      EXPECT_GT(renames_, 0);
      EXPECT_THAT(tree_.Names(".syncagent/tmp"), IsEmpty());
    }));
  }
  // An install over "old" during which something else happens.
  void PlayReplace(const std::function<void(int number)>& meanwhile,
                   const std::function<void()>& check) {
    Play(
        [&](const Fingerprint& old) {
          const auto result = InstallBytes(*location_, "file", "remote", old);
          ASSERT_TRUE(result.ok()) << Describe(result.status());
          EXPECT_EQ(result->kind, ApplyKind::kChanged);
        },
        meanwhile, check);
  }
  void Append(std::string_view name, std::string_view bytes) {
    const UniqueFd fd(open(tree_.At(name).c_str(), O_WRONLY | O_APPEND));
    ASSERT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  std::vector<std::string> Trash() { return tree_.Contents(".syncagent/trash"); }

  RealClock clock_;
  const TemporaryTree tree_;
  std::unique_ptr<LocalDirectory> location_;
  int renames_ = 0;
};

// A replacement is: into the trash (1), exchange (2), and back (3) when that found a surprise.

TEST_F(InterleavingsTest, ASaveBeforeTheExchangeKeepsItsName) {
  PlayReplace(
      [&](int number) {
        if (number == 2) tree_.Save("file", "newer");
      },
      [&] {
        EXPECT_EQ(tree_.Read("file"), "newer");
        EXPECT_THAT(Trash(), ElementsAre("remote"));
      });
}

TEST_F(InterleavingsTest, WritingInPlaceBeforeTheExchangeKeepsItsName) {
  PlayReplace(
      [&](int number) {
        if (number == 2) Append("file", " and more");
      },
      [&] { EXPECT_EQ(tree_.Read("file"), "old and more"); });
}

TEST_F(InterleavingsTest, OfTwoSavesTheLastHasTheNameAndTheOtherIsKept) {
  PlayReplace(
      [&](int number) {
        if (number == 2) tree_.Save("file", "newer");
        if (number == 3) tree_.Save("file", "newest");
      },
      [&] {
        EXPECT_EQ(tree_.Read("file"), "newest");
        EXPECT_THAT(Trash(), ElementsAre("newer"));
      });
}

TEST_F(InterleavingsTest, OfThreeSavesTheLastHasTheName) {
  PlayReplace(
      [&](int number) {
        if (number == 2) tree_.Save("file", "save 2");
        if (number == 3) tree_.Save("file", "save 3");
        if (number == 4) tree_.Save("file", "save 4");
      },
      [&] {
        // The program itself replaced save 2 by save 4.
        EXPECT_EQ(tree_.Read("file"), "save 4");
        EXPECT_THAT(Trash(), ElementsAre("save 3"));
      });
}

TEST_F(InterleavingsTest, WritingToTheFileThatIsTakenBackIsKept) {
  PlayReplace(
      [&](int number) {
        if (number == 2) tree_.Save("file", "newer");
        if (number == 3) Append("file", " and more");
      },
      [&] {
        EXPECT_EQ(tree_.Read("file"), "newer");
        EXPECT_THAT(Trash(), ElementsAre("remote and more"));
      });
}

TEST_F(InterleavingsTest, DeletionAfterTheExchangeKeepsTheSave) {
  PlayReplace(
      [&](int number) {
        if (number == 2) tree_.Save("file", "newer");
        if (number == 3) tree_.Delete("file");
      },
      [&] {
        EXPECT_FALSE(tree_.Exists("file"));
        EXPECT_THAT(Trash(), ElementsAre("newer"));
      });
}

TEST_F(InterleavingsTest, ADeletionBeforeTheExchangeIsNoticed) {
  PlayReplace(
      [&](int number) {
        if (number == 2) tree_.Delete("file");
      },
      [&] {
        EXPECT_FALSE(tree_.Exists("file"));
        EXPECT_THAT(Trash(), IsEmpty());
      });
}

TEST_F(InterleavingsTest, ADirectoryThatTookTheNameIsPutBack) {
  PlayReplace(
      [&](int number) {
        if (number != 2) return;
        tree_.Delete("file");
        tree_.Mkdir("file");
        tree_.Write("file/inner", "inner");
      },
      [&] { EXPECT_EQ(tree_.Read("file/inner"), "inner"); });
}

TEST_F(InterleavingsTest, ANewFileIsNotInstalledOverASave) {
  Play(
      [&](const Fingerprint&) {
        const auto result = InstallBytes(*location_, "new", "remote", std::nullopt);
        ASSERT_TRUE(result.ok());
        EXPECT_EQ(result->kind, ApplyKind::kChanged);
      },
      [&](int) { tree_.Write("new", "local"); }, [&] { EXPECT_EQ(tree_.Read("new"), "local"); });
}

TEST_F(InterleavingsTest, ASaveBeforeARemovalIsPutBack) {
  Play(
      [&](const Fingerprint& old) {
        EXPECT_EQ(location_->Remove(P("file"), old)->kind, ApplyKind::kChanged);
      },
      [&](int number) {
        if (number == 1) tree_.Save("file", "newer");
      },
      [&] {
        EXPECT_EQ(tree_.Read("file"), "newer");
        EXPECT_THAT(Trash(), IsEmpty());
      });
}

TEST_F(InterleavingsTest, TwoSavesAroundARemovalAreBothKept) {
  Play(
      [&](const Fingerprint& old) {
        EXPECT_EQ(location_->Remove(P("file"), old)->kind, ApplyKind::kChanged);
      },
      [&](int number) { tree_.Save("file", "save " + std::to_string(number)); },
      [&] {
        EXPECT_EQ(tree_.Read("file"), "save 2");
        EXPECT_THAT(Trash(), ElementsAre("save 1"));
      });
}

TEST_F(InterleavingsTest, ASaveBeforeAMoveStaysWhereItWasSaved) {
  Play(
      [&](const Fingerprint& old) {
        EXPECT_EQ(location_->Move(P("file"), old, P("to"))->kind, ApplyKind::kChanged);
      },
      [&](int number) {
        if (number == 1) tree_.Save("file", "newer");
      },
      [&] {
        EXPECT_EQ(tree_.Read("file"), "newer");
        EXPECT_FALSE(tree_.Exists("to"));
      });
}

TEST_F(InterleavingsTest, WritingDuringAMoveIsSeenByTheNextLook) {
  Play(
      [&](const Fingerprint& old) {
        const auto result = location_->Move(P("file"), old, P("to"));
        ASSERT_TRUE(result.ok());
        EXPECT_EQ(result->kind, ApplyKind::kApplied);
        EXPECT_NE(result->fingerprint, Present(*location_, "to").fingerprint);
      },
      [&](int) { Append("file", " and more"); },
      [&] { EXPECT_EQ(tree_.Read("to"), "old and more"); });
}

TEST_F(InterleavingsTest, NothingIsMovedOverASave) {
  Play(
      [&](const Fingerprint& old) {
        EXPECT_EQ(location_->Move(P("file"), old, P("to"))->kind, ApplyKind::kChanged);
      },
      [&](int number) {
        if (number == 1) tree_.Write("to", "local");
      },
      [&] {
        EXPECT_EQ(tree_.Read("file"), "old");
        EXPECT_EQ(tree_.Read("to"), "local");
      });
}

TEST_F(InterleavingsTest, MovingOverASaveUndoesItself) {
  tree_.Write("to", "two");
  Play(
      [&](const Fingerprint& old) {
        const Fingerprint two = Present(*location_, "to").fingerprint;
        EXPECT_EQ(location_->MoveOver(P("file"), old, P("to"), two)->kind, ApplyKind::kChanged);
      },
      [&](int number) {
        if (number == 1) tree_.Save("to", "newer two");
      },
      [&] {
        EXPECT_EQ(tree_.Read("file"), "old");
        EXPECT_EQ(tree_.Read("to"), "newer two");
      });
}

TEST_F(InterleavingsTest, ASaveBeforeAMoveOverLosesNothing) {
  tree_.Write("to", "two");
  Play(
      [&](const Fingerprint& old) {
        const Fingerprint two = Present(*location_, "to").fingerprint;
        EXPECT_EQ(location_->MoveOver(P("file"), old, P("to"), two)->kind, ApplyKind::kChanged);
      },
      [&](int number) {
        if (number == 1) tree_.Save("file", "newer");
      },
      [&] {
        EXPECT_EQ(tree_.Read("to"), "newer");
        EXPECT_THAT(Trash(), ElementsAre("two"));
      });
}

TEST_F(InterleavingsTest, DyingWhileMovingOverKeepsBoth) {
  for (int last = 1; last <= 2; ++last) {
    tree_.Write("file", "one");
    tree_.Write("to", "two");
    EXPECT_FALSE(PassesInChild([&] {
      const Fingerprint one = Present(*location_, "file").fingerprint;
      const Fingerprint two = Present(*location_, "to").fingerprint;
      BeforeEachRename([&](int number) {
        if (number == last) _exit(9);
      });
      (void)location_->MoveOver(P("file"), one, P("to"), two);
      _exit(0);
    }));
    EXPECT_THAT((std::vector<std::string>{tree_.Read("file"), tree_.Read("to")}),
                UnorderedElementsAre("one", "two"));
  }
}

// Dying at each rename of a replacement: the file is old or new, and the old one is somewhere.
TEST_F(InterleavingsTest, DyingAtAnyRenameLeavesOldOrNew) {
  for (int last = 1; last <= 2; ++last) {
    tree_.Write("file", "old");
    EXPECT_FALSE(PassesInChild([&] {
      const Fingerprint old = Present(*location_, "file").fingerprint;
      BeforeEachRename([&](int number) {
        if (number == last) _exit(9);
      });
      (void)InstallBytes(*location_, "file", "remote", old);
      _exit(0);
    }));
    EXPECT_EQ(tree_.Read("file"), "old");
    EXPECT_TRUE(location_->CleanUp().ok());
    EXPECT_THAT(tree_.Names(".syncagent/tmp"), IsEmpty());
  }
}

}  // namespace
}  // namespace filesync
