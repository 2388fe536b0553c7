#include "libs/reconcile/reconcile.h"

#include <gtest/gtest.h>

#include "libs/content/hasher.h"

namespace filesync {
namespace {

using Kind = Action::Kind;
using State = Side::State;

Entry File(std::string_view text, int64_t mtime = 1) {
  Entry entry;
  entry.path = *RelPath::Parse("p");
  entry.type = EntryType::kFile;
  entry.mode = 0644;
  entry.mtime_ns = mtime;
  entry.content.size = text.size();
  ContentHasher hasher;
  hasher.Add({HashChunk(ChunkKind::kData, text), static_cast<uint32_t>(text.size())});
  entry.content.hash = hasher.Finish();
  return entry;
}

Entry Directory(uint32_t mode = 0755) {
  Entry entry;
  entry.path = *RelPath::Parse("p");
  entry.type = EntryType::kDirectory;
  entry.mode = mode;
  return entry;
}

Side Is(State state) { return {state, {}, 0}; }
Side Changed(const Entry& entry) { return {State::kChanged, entry, entry.mtime_ns}; }

const Entry kBase = File("base");

Kind TwoWay(const std::optional<Entry>& base, const Side& local, const Side& remote,
            ConflictPolicy policy = ConflictPolicy::kKeepBoth) {
  return Reconcile(base, local, remote, Mode::kTwoWay, policy).kind;
}

TEST(TwoWay, EveryCellOfTheTable) {
  const Side unchanged = Is(State::kUnchanged);
  const Side deleted = Is(State::kDeleted);
  const Side x = Changed(File("x"));
  const Side y = Changed(File("y"));
  EXPECT_EQ(TwoWay(kBase, unchanged, unchanged), Kind::kNothing);
  EXPECT_EQ(TwoWay(kBase, unchanged, x), Kind::kDownload);
  EXPECT_EQ(TwoWay(kBase, unchanged, deleted), Kind::kDeleteLocal);
  EXPECT_EQ(TwoWay(kBase, x, unchanged), Kind::kUpload);
  EXPECT_EQ(TwoWay(kBase, x, x), Kind::kAgree);
  EXPECT_EQ(TwoWay(kBase, x, y), Kind::kConflictKeepBoth);
  EXPECT_EQ(TwoWay(kBase, x, deleted), Kind::kUpload);
  EXPECT_EQ(TwoWay(kBase, deleted, unchanged), Kind::kDeleteRemote);
  EXPECT_EQ(TwoWay(kBase, deleted, x), Kind::kDownload);
  EXPECT_EQ(TwoWay(kBase, deleted, deleted), Kind::kAgree);
}

TEST(TwoWay, FirstSync) {
  const Side absent = Is(State::kAbsent);
  const Side x = Changed(File("x"));
  EXPECT_EQ(TwoWay(std::nullopt, absent, absent), Kind::kNothing);
  EXPECT_EQ(TwoWay(std::nullopt, x, absent), Kind::kUpload);
  EXPECT_EQ(TwoWay(std::nullopt, absent, x), Kind::kDownload);
  EXPECT_EQ(TwoWay(std::nullopt, x, x), Kind::kAgree);
  EXPECT_EQ(TwoWay(std::nullopt, x, Changed(File("y"))), Kind::kConflictKeepBoth);
}

TEST(TwoWay, EqualContentAgreesOnTheNewestMetadata) {
  const Side old = Changed(File("x", 10));
  const Side young = Changed(File("x", 20));
  EXPECT_EQ(TwoWay(kBase, young, old), Kind::kAgreeMetadataLocal);
  EXPECT_EQ(TwoWay(kBase, old, young), Kind::kAgreeMetadataRemote);
  EXPECT_EQ(TwoWay(std::nullopt, Changed(Directory(0755)), Changed(Directory(0700))),
            Kind::kAgreeMetadataRemote);
}

Entry With(Entry entry, const std::string& user) {
  entry.attributes.owner = std::make_shared<const Owner>(Owner{user, "", 0, 0});
  return entry;
}

TEST(TwoWay, WhoSaysNothingOfAttributesAgrees) {
  for (const Entry& entry : {File("x"), Directory()}) {
    const Side silent = Changed(entry);
    const Side ann = Changed(With(entry, "ann"));
    const Side bob = Changed(With(entry, "bob"));
    EXPECT_EQ(TwoWay(std::nullopt, silent, ann), Kind::kAgree);
    EXPECT_EQ(TwoWay(std::nullopt, ann, ann), Kind::kAgree);
    EXPECT_EQ(TwoWay(std::nullopt, ann, silent), Kind::kAgreeMetadataLocal);
    EXPECT_EQ(TwoWay(std::nullopt, ann, bob), Kind::kAgreeMetadataRemote);
  }
}

TEST(Mirror, TheSourceTellsWhatItKnows) {
  const Side silent = Changed(File("x"));
  const Side ann = Changed(With(File("x"), "ann"));
  const Side bob = Changed(With(File("x"), "bob"));
  const auto mirror = [](const Side& local, const Side& remote) {
    return Reconcile(std::nullopt, local, remote, Mode::kSourceToDestination,
                     ConflictPolicy::kKeepBoth)
        .kind;
  };
  EXPECT_EQ(mirror(silent, ann), Kind::kAgree);
  EXPECT_EQ(mirror(ann, silent), Kind::kUpload);
  EXPECT_EQ(mirror(ann, bob), Kind::kUpload);
  EXPECT_EQ(mirror(ann, ann), Kind::kAgree);
}

TEST(TwoWay, DirectoryKeepsItsNameAgainstAFile) {
  for (const ConflictPolicy policy : {ConflictPolicy::kKeepBoth, ConflictPolicy::kNewest,
                                      ConflictPolicy::kKeepLocal, ConflictPolicy::kKeepRemote}) {
    EXPECT_EQ(TwoWay(std::nullopt, Changed(Directory()), Changed(File("x")), policy),
              Kind::kConflictRemoteAside);
    EXPECT_EQ(TwoWay(std::nullopt, Changed(File("x")), Changed(Directory()), policy),
              Kind::kConflictLocalAside);
  }
}

TEST(TwoWay, Policies) {
  const Side old = Changed(File("x", 10));
  const Side young = Changed(File("y", 20));
  EXPECT_EQ(TwoWay(kBase, young, old, ConflictPolicy::kNewest), Kind::kUpload);
  EXPECT_EQ(TwoWay(kBase, old, young, ConflictPolicy::kNewest), Kind::kDownload);
  // A tie goes to the server's.
  EXPECT_EQ(TwoWay(kBase, old, Changed(File("z", 10)), ConflictPolicy::kNewest), Kind::kDownload);
  // An mtime that can't be true does not win.
  const Side dreamer{State::kChanged, File("d", 99), 15};
  EXPECT_EQ(TwoWay(kBase, dreamer, young, ConflictPolicy::kNewest), Kind::kDownload);
  EXPECT_EQ(TwoWay(kBase, old, young, ConflictPolicy::kKeepLocal), Kind::kUpload);
  EXPECT_EQ(TwoWay(kBase, young, old, ConflictPolicy::kKeepRemote), Kind::kDownload);
  EXPECT_EQ(TwoWay(kBase, old, young, ConflictPolicy::kManual), Kind::kHold);
  EXPECT_EQ(TwoWay(kBase, old, Is(State::kDeleted), ConflictPolicy::kKeepRemote),
            Kind::kDeleteLocal);
  EXPECT_EQ(TwoWay(kBase, Is(State::kDeleted), old, ConflictPolicy::kKeepLocal),
            Kind::kDeleteRemote);
}

TEST(EveryMode, DecidesNothingBelowTheUnknown) {
  const Side unknown = Is(State::kUnknown);
  for (const Mode mode : {Mode::kTwoWay, Mode::kSourceToDestination, Mode::kSourceBackup,
                          Mode::kDestinationToSource, Mode::kDestinationBackup}) {
    for (const Side& other : {Is(State::kUnchanged), Is(State::kDeleted), Changed(File("x"))}) {
      EXPECT_EQ(Reconcile(kBase, unknown, other, mode, ConflictPolicy::kKeepBoth).kind,
                Kind::kHold);
      EXPECT_EQ(Reconcile(kBase, other, unknown, mode, ConflictPolicy::kKeepBoth).kind,
                Kind::kHold);
    }
  }
}

struct ModeRow {
  Mode mode;
  Kind source_changed, destination_changed, source_deleted, destination_deleted;
};

TEST(EveryMode, TheModeTable) {
  const ModeRow rows[] = {
      {Mode::kSourceToDestination, Kind::kUpload, Kind::kUpload, Kind::kDeleteRemote,
       Kind::kUpload},
      {Mode::kSourceBackup, Kind::kUpload, Kind::kNothing, Kind::kNothing, Kind::kNothing},
      {Mode::kDestinationToSource, Kind::kDownload, Kind::kDownload, Kind::kDownload,
       Kind::kDeleteLocal},
      {Mode::kDestinationBackup, Kind::kNothing, Kind::kDownload, Kind::kNothing, Kind::kNothing},
  };
  const Side unchanged = Is(State::kUnchanged);
  const Side deleted = Is(State::kDeleted);
  const Side x = Changed(File("x"));
  for (const ModeRow& row : rows) {
    const auto decide = [&](const Side& local, const Side& remote) {
      return Reconcile(kBase, local, remote, row.mode, ConflictPolicy::kKeepBoth).kind;
    };
    EXPECT_EQ(decide(x, unchanged), row.source_changed) << ModeName(row.mode);
    EXPECT_EQ(decide(unchanged, x), row.destination_changed) << ModeName(row.mode);
    EXPECT_EQ(decide(deleted, unchanged), row.source_deleted) << ModeName(row.mode);
    EXPECT_EQ(decide(unchanged, deleted), row.destination_deleted) << ModeName(row.mode);
  }
}

TEST(TwoWay, NeverDropsAChangeWithoutAConflict) {
  const Side sides[] = {Is(State::kUnchanged), Is(State::kDeleted), Changed(File("x")),
                        Changed(File("y")), Changed(Directory())};
  for (const Side& local : sides) {
    for (const Side& remote : sides) {
      const Action action =
          Reconcile(kBase, local, remote, Mode::kTwoWay, ConflictPolicy::kKeepBoth);
      if (local.state == State::kChanged && remote.state == State::kChanged &&
          !EqualContent(local.entry, remote.entry)) {
        EXPECT_TRUE(action.conflict);
      }
      EXPECT_FALSE(local.state == State::kChanged && action.kind == Kind::kDeleteLocal);
      EXPECT_FALSE(remote.state == State::kChanged && action.kind == Kind::kDeleteRemote);
    }
  }
}

TEST(ConflictCopy, Names) {
  const auto copy = [](std::string_view path, int attempt = 0) {
    return ConflictCopyPath(*RelPath::Parse(path), 1'767'323'045, "host 1", attempt).bytes();
  };
  EXPECT_EQ(copy("d/report.odt"), "d/report.conflict-20260102-030405-host_1.odt");
  EXPECT_EQ(copy("d/report.odt", 2), "d/report.conflict-20260102-030405-host_1-2.odt");
  EXPECT_EQ(copy("Makefile"), "Makefile.conflict-20260102-030405-host_1");
  EXPECT_EQ(copy(".bashrc"), ".bashrc.conflict-20260102-030405-host_1");
  EXPECT_LE(copy(std::string(255, 'x')).size(), 255u);
}

TEST(Modes, AreKnownByAllTheirNames) {
  for (const std::string_view name : {"two-way", "tw", "twoWay", "TWO_WAY"}) {
    EXPECT_EQ(ParseMode(name), Mode::kTwoWay) << name;
  }
  EXPECT_EQ(ParseMode("localToCloud"), Mode::kSourceToDestination);
  EXPECT_EQ(ParseMode("db"), Mode::kDestinationBackup);
  EXPECT_EQ(ParseMode("sideways"), std::nullopt);
  EXPECT_EQ(ParseConflictPolicy("keep-both"), ConflictPolicy::kKeepBoth);
}

}  // namespace
}  // namespace filesync
