#include "agent/engine/state/state.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>

#include "libs/base/coding.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

Entry File(const char* path) {
  Entry entry;
  entry.path = RelPath::Parse(path).value();
  entry.type = EntryType::kFile;
  entry.mode = 0640;
  entry.mtime_ns = -5;
  entry.version = 7;
  entry.content.hash = ContentHasher().Finish();
  return entry;
}

Attributes Full() {
  return {
      std::make_shared<const Owner>(Owner{"ann", "staff", 1000, 50}),
      std::make_shared<const Xattrs>(Xattrs{{"user.a", std::string("\0x", 2)}, {"user.b", ""}})};
}

TEST(EncodingTest, EntriesWithAndWithoutAttributes) {
  for (const Attributes& attributes : {Attributes(), Full(), Attributes{Full().owner, nullptr},
                                       Attributes{nullptr, std::make_shared<const Xattrs>()}}) {
    Entry entry = File("p");
    entry.attributes = attributes;
    const absl::StatusOr<Entry> back = DecodeEntry(EncodeEntry(entry));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_TRUE(EqualState(*back, entry));
    const absl::StatusOr<Attributes> alone = DecodeAttributes(EncodeAttributes(attributes));
    ASSERT_TRUE(alone.ok()) << alone.status();
    EXPECT_TRUE(SameAttributes(*alone, attributes));
  }
}

TEST(EncodingTest, DamageIsFound) {
  Entry entry = File("p");
  entry.attributes = Full();
  const std::string bytes = EncodeEntry(entry);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeEntry(bytes.substr(0, size)).status())) << size;
  }
}

TEST(EncodingTest, CommitsKeepHowThingsStoodHere) {
  PendingChange pending;
  pending.change.entry = File("p");
  pending.change.entry.attributes = Full();
  pending.change.base_version = 3;
  pending.fingerprint.inode = 9;
  pending.local.mode = 0600;
  pending.local.attributes.owner = std::make_shared<const Owner>(Owner{"", "", 5, 6});
  const auto back = DecodePendingChanges(EncodePendingChanges({pending, PendingChange(pending)}));
  ASSERT_TRUE(back.ok()) << back.status();
  ASSERT_EQ(back->size(), 2U);
  EXPECT_TRUE(EqualState(back->at(1).change.entry, pending.change.entry));
  EXPECT_EQ(back->at(1).local.mode, 0600U);
  EXPECT_TRUE(SameAttributes(back->at(1).local.attributes, pending.local.attributes));
  EXPECT_TRUE(DecodePendingChanges(EncodePendingChanges({}))->empty());
}

TEST(EncodingTest, CommitsOfTheSchemaBeforeAreRead) {
  std::string bytes = EncodeEntry(File("p"));
  AppendBigEndian64(bytes, 3);
  AppendBigEndian32(bytes, 0);
  for (const uint64_t value : {1, 2, 3, 4, 5}) AppendBigEndian64(bytes, value);
  const auto back = DecodePendingChanges(bytes);
  ASSERT_TRUE(back.ok()) << back.status();
  ASSERT_EQ(back->size(), 1U);
  EXPECT_EQ(back->front().fingerprint.inode, 2U);
  EXPECT_FALSE(back->front().local.mode.has_value());
}

class StateTest : public testing::Test {
 protected:
  StateTest() { EXPECT_NE(mkdtemp(directory_.data()), nullptr); }
  ~StateTest() override { std::filesystem::remove_all(directory_); }
  std::string Path() const { return directory_ + "/state.db"; }

  std::string directory_ = testing::TempDir() + "/filesync_state_XXXXXX";
};

TEST_F(StateTest, BasesKeepAttributesAndHowTheyStoodHere) {
  const auto state = State::Open(Path());
  ASSERT_TRUE(state.ok());
  BaseRow row;
  row.entry = File("a");
  row.entry.attributes = Full();
  row.local.mode = 0700;
  row.local.attributes.xattrs = std::make_shared<const Xattrs>();
  ASSERT_TRUE((*state)->PutBase(row).ok());
  const auto back = (*state)->GetBase(row.entry.path);
  ASSERT_TRUE(back.ok() && back->has_value());
  EXPECT_TRUE(EqualState((*back)->entry, row.entry));
  EXPECT_EQ((*back)->LocalMode(), 0700U);
  EXPECT_TRUE(SameAttributes((*back)->local.attributes, row.local.attributes));
}

TEST_F(StateTest, AStateOfANewerProgramIsRefusedAndStaysAsItIs) {
  { ASSERT_TRUE(State::Open(Path()).ok()); }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(Path().c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "PRAGMA user_version=1000", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  for (int i = 0; i < 2; ++i) {
    const auto state = State::Open(Path());
    // Not data loss, which would set it aside.
    EXPECT_TRUE(absl::IsFailedPrecondition(state.status()));
    EXPECT_NE(state.status().ToString().find("newer"), std::string::npos);
  }
}

TEST_F(StateTest, PagesHoldWhatIsBelowADirectory) {
  const auto state = State::Open(Path());
  ASSERT_TRUE(state.ok());
  for (const char* path : {"a", "b", "b/1", "b/2", "b/2/x", "b!", "b0", "c"}) {
    BaseRow row;
    row.entry = File(path);
    ASSERT_TRUE((*state)->PutBase(row).ok());
  }
  const auto below = [&](const char* directory, const char* after, size_t limit) {
    std::vector<std::string> paths;
    const std::vector<BaseRow> rows =
        (*state)
            ->BasePageBelow(RelPath::Parse(directory).value(), RelPath::Parse(after).value(), limit)
            .value();
    for (const BaseRow& row : rows) paths.push_back(row.entry.path.bytes());
    return paths;
  };
  using Paths = std::vector<std::string>;
  EXPECT_EQ(below("b", "b", 9), (Paths{"b/1", "b/2", "b/2/x"}));
  EXPECT_EQ(below("b", "b/1", 1), (Paths{"b/2"}));
  EXPECT_EQ(below("b", "b/2/x", 9), Paths());
  EXPECT_EQ(below("a", "a", 9), Paths());
  EXPECT_EQ(below("", "b/2/x", 9), (Paths{"b!", "b0", "c"}));
}

TEST_F(StateTest, WritesWhileReadingAreTheirOwn) {
  const auto state = State::Open(Path());
  ASSERT_TRUE(state.ok());
  const auto other = State::OpenReadOnly(Path());
  ASSERT_TRUE(other.ok());
  const State::Reading reading(state->get());
  EXPECT_EQ((*state)->CountBase()->entries, 0U);
  BaseRow row;
  row.entry = File("a");
  ASSERT_TRUE((*state)->PutBase(row).ok());
  // Seen by others, so it does not wait for the end of the reading.
  EXPECT_EQ((*other)->CountBase()->entries, 1U);
  const State::Reading again(state->get());
  EXPECT_TRUE((*state)->GetBase(row.entry.path)->has_value());
  {
    State::Transaction transaction(state->get());
    const State::Reading within(state->get());
    ASSERT_TRUE((*state)->DeleteBase(row.entry.path).ok());
  }
  EXPECT_EQ((*other)->CountBase()->entries, 1U);
  {
    State::Transaction transaction(state->get());
    ASSERT_TRUE((*state)->DeleteBase(row.entry.path).ok());
    ASSERT_TRUE(transaction.Commit().ok());
  }
  EXPECT_EQ((*other)->CountBase()->entries, 0U);
}

TEST_F(StateTest, RemoteEntriesAreFoundHoweverTheyCameAndWent) {
  const Entry a = File("a");
  const Entry b = File("b");
  {
    const auto state = State::Open(Path());
    ASSERT_TRUE(state.ok());
    EXPECT_FALSE((*state)->GetRemote(a.path)->has_value());
    ASSERT_TRUE((*state)->PutRemote(a).ok());
    EXPECT_TRUE((*state)->GetRemote(a.path)->has_value());
  }
  const auto state = State::Open(Path());
  ASSERT_TRUE(state.ok());
  EXPECT_TRUE((*state)->GetRemote(a.path)->has_value());
  {
    State::Transaction transaction(state->get());
    ASSERT_TRUE((*state)->DeleteRemoteUpTo(a.path, a.version).ok());
    // Often enough for it to notice that there are none.
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE((*state)->GetRemote(a.path)->has_value());
  }
  EXPECT_TRUE((*state)->GetRemote(a.path)->has_value()) << "it was rolled back";
  ASSERT_TRUE((*state)->DropAllRemotes().ok());
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE((*state)->GetRemote(a.path)->has_value());
  {
    State::Transaction transaction(state->get());
    ASSERT_TRUE((*state)->PutRemote(b).ok());
    EXPECT_TRUE((*state)->GetRemote(b.path)->has_value());
  }
  EXPECT_FALSE((*state)->GetRemote(b.path)->has_value());
  ASSERT_TRUE((*state)->PutRemote(b).ok());
  EXPECT_TRUE((*state)->GetRemote(b.path)->has_value());
  ASSERT_TRUE((*state)->DeleteRemote(b.path).ok());
  EXPECT_FALSE((*state)->GetRemote(b.path)->has_value());
}

constexpr char kNoHeld[] = "DROP TABLE held;";
constexpr char kNoAttributes[] =
    "ALTER TABLE base DROP COLUMN attributes; ALTER TABLE base DROP COLUMN local_mode;"
    "ALTER TABLE base DROP COLUMN local_attributes;";
constexpr char kNoIgnored[] = "DROP TABLE ignored;";

TEST_F(StateTest, OlderSchemasAreTakenOver) {
  BaseRow row;
  row.entry = File("a");
  const HeldRow held = {.path = RelPath::Parse("a/b").value(),
                        .direction = HeldRow::Direction::kIncoming,
                        .version = 5};
  const std::pair<int, std::string> older[] = {
      {4, ""},
      {3, kNoHeld},
      {2, std::string(kNoHeld) + kNoAttributes},
      {1, std::string(kNoHeld) + kNoAttributes + kNoIgnored}};
  for (const auto& [version, changes] : older) {
    SCOPED_TRACE(version);
    {
      const auto state = State::Open(Path());
      ASSERT_TRUE(state.ok()) << state.status();
      ASSERT_TRUE((*state)->PutBase(row).ok());
      ASSERT_TRUE((*state)->SetMeta("key", "kept").ok());
    }
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(Path().c_str(), &db), SQLITE_OK);
    const std::string sql = changes + "PRAGMA user_version=" + std::to_string(version);
    ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
    for (int opened = 0; opened < 2; ++opened) {
      const auto state = State::Open(Path());
      ASSERT_TRUE(state.ok()) << state.status();
      EXPECT_EQ((*state)->GetMeta("key").value(), "kept");
      const auto back = (*state)->GetBase(row.entry.path);
      ASSERT_TRUE(back.ok() && back->has_value());
      EXPECT_TRUE(EqualState((*back)->entry, row.entry));
      EXPECT_EQ((*back)->LocalMode(), row.entry.mode);
      ASSERT_TRUE((*state)->PutBase(**back).ok());
      EXPECT_EQ((*state)->AllHeld().value().size(), static_cast<size_t>(opened));
      ASSERT_TRUE((*state)->PutHeld(held).ok());
      EXPECT_EQ((*state)->AllHeld().value().front().path, held.path);
      EXPECT_TRUE((*state)->IgnoredPage(std::nullopt, 1).value().empty());
    }
  }
}

// Devices have other numbers after a start of the host; what was kept by number is converted once.
TEST_F(StateTest, DevicesAreKeptByNamesThatOutliveTheirNumbers) {
  constexpr uint64_t kThen = 77;
  constexpr uint64_t kNow = 99;
  constexpr uint64_t kOther = 78;
  BaseRow here, elsewhere;
  here.entry = File("here");
  here.fingerprint = {.device = kThen, .inode = 5};
  elsewhere.entry = File("elsewhere");
  elsewhere.fingerprint = {.device = kOther, .inode = 6};
  {
    const auto state = State::Open(Path());
    ASSERT_TRUE(state.ok()) << state.status();
    for (const BaseRow& row : {here, elsewhere}) ASSERT_TRUE((*state)->PutBase(row).ok());
    std::string root(16, 'r');
    AppendBigEndian64(root, kThen);
    AppendBigEndian64(root, 2);
    ASSERT_TRUE((*state)->SetMeta("root", root).ok());
    ASSERT_TRUE((*state)->SetMeta("devices", "by number").ok());
  }
  for (const uint64_t device : {kNow, kNow + 1}) {
    const auto state = State::Open(Path());
    ASSERT_TRUE(state.ok()) << state.status();
    ASSERT_TRUE(
        (*state)->UseFileSystems(std::make_unique<FileSystems>("/not-mounted", device)).ok());
    EXPECT_EQ((*state)->GetBase(here.entry.path).value()->fingerprint.device, device);
    EXPECT_EQ((*state)->GetBase(elsewhere.entry.path).value()->fingerprint.device, kOther);
    EXPECT_TRUE((*state)->BaseByInode(device, 5).value().has_value());
    EXPECT_FALSE((*state)->BaseByInode(kThen, 5).value().has_value());
    PendingChange pending;
    pending.change.entry = File("pending");
    pending.fingerprint = {.device = device, .inode = 7};
    ASSERT_TRUE((*state)->AddPendingBatch({pending}).ok());
    const auto batches = (*state)->PendingBatches();
    ASSERT_TRUE(batches.ok()) << batches.status();
    for (const PendingBatch& batch : *batches) {
      EXPECT_EQ(batch.changes.front().fingerprint.device, device);
    }
  }
}

}  // namespace
}  // namespace filesync
