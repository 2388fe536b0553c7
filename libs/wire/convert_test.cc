#include "libs/wire/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <functional>

#include "libs/content/frame.h"

namespace filesync {
namespace {

using testing::HasSubstr;

ChunkId Id(char fill) { return *ChunkId::FromBytes(std::string(32, fill)); }

Entry File() {
  Entry entry;
  entry.path = *RelPath::Parse("dir/file.txt");
  entry.type = EntryType::kFile;
  entry.mode = 0640;
  entry.mtime_ns = -1'234'567'890'123;
  entry.content.size = 300;
  entry.content.average_size = 64 << 10;
  entry.content.refs = {{Id('a'), 100}, {Id('b'), 200}};
  entry.content.hash = *ContentHash::FromBytes(std::string(32, 'h'));
  entry.version = 42;
  entry.moved_from = *RelPath::Parse("old");
  entry.author = std::string(16, 'w');
  entry.committed_at_ns = 1'700'000'000'000'000'000;
  return entry;
}

v1::Entry FileProto() {
  v1::Entry proto;
  ToProto(File(), &proto);
  return proto;
}

// What an entry looks like on the wire is all there is of it.
std::string Bytes(const Entry& entry) {
  v1::Entry proto;
  ToProto(entry, &proto);
  return proto.SerializeAsString();
}

TEST(ConvertTest, EntriesOfEveryTypeComeThroughUnchanged) {
  Entry directory;
  directory.path = *RelPath::Parse("d");
  directory.type = EntryType::kDirectory;
  directory.mode = 0700;
  Entry symlink;
  symlink.path = *RelPath::Parse("s");
  symlink.type = EntryType::kSymlink;
  symlink.mtime_ns = 7;
  symlink.symlink_target = "../\xff anywhere";
  Entry tombstone;
  tombstone.path = *RelPath::Parse("gone");
  tombstone.moved_to = *RelPath::Parse("there");
  tombstone.version = 9;
  for (const Entry& entry : {File(), directory, symlink, tombstone}) {
    v1::Entry proto;
    ToProto(entry, &proto);
    const absl::StatusOr<Entry> back = FromProto(proto);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->path, entry.path);
    EXPECT_TRUE(EqualState(*back, entry));
    EXPECT_EQ(back->content, entry.content);
    EXPECT_EQ(back->version, entry.version);
    EXPECT_EQ(back->author, entry.author);
    EXPECT_EQ(back->moved_to, entry.moved_to);
    EXPECT_EQ(back->moved_from, entry.moved_from);
    EXPECT_EQ(Bytes(*back), Bytes(entry));
  }
}

TEST(ConvertTest, AttributesComeThroughUnchanged) {
  Entry file = File();
  Entry directory;
  directory.path = *RelPath::Parse("d");
  directory.type = EntryType::kDirectory;
  Entry symlink;
  symlink.path = *RelPath::Parse("s");
  symlink.type = EntryType::kSymlink;
  symlink.symlink_target = "x";
  file.attributes.owner = std::make_shared<const Owner>(Owner{"ann", "", 1000, 4'000'000'000});
  file.attributes.xattrs =
      std::make_shared<const Xattrs>(Xattrs{{"user.a", std::string("\0b", 2)}, {"user.empty", ""}});
  directory.attributes.xattrs = std::make_shared<const Xattrs>();
  symlink.attributes.owner = std::make_shared<const Owner>();
  for (const Entry& entry : {file, directory, symlink}) {
    v1::Entry proto;
    ToProto(entry, &proto);
    const absl::StatusOr<Entry> back = FromProto(proto);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_TRUE(SameAttributes(back->attributes, entry.attributes));
    EXPECT_EQ(Bytes(*back), Bytes(entry));
  }
}

TEST(ConvertTest, AttributesThatBreakARuleAreRefused) {
  const auto refused = [](const std::function<void(v1::Entry&)>& break_it) {
    v1::Entry proto = FileProto();
    break_it(proto);
    return absl::IsInvalidArgument(FromProto(proto).status());
  };
  const auto add = [](v1::Entry& entry, const std::string& name, const std::string& value) {
    v1::Xattr* xattr = entry.mutable_xattrs()->add_xattrs();
    xattr->set_name(name);
    xattr->set_value(value);
  };
  EXPECT_FALSE(refused([&](v1::Entry& e) { add(e, "user.a", ""); }));
  EXPECT_TRUE(refused([&](v1::Entry& e) { add(e, "", "x"); }));
  EXPECT_TRUE(refused([&](v1::Entry& e) { add(e, std::string("a\0b", 3), "x"); }));
  EXPECT_TRUE(refused([&](v1::Entry& e) { add(e, std::string(256, 'x'), "x"); }));
  EXPECT_TRUE(refused([&](v1::Entry& e) { add(e, "user.a", std::string(64 << 10, 'x')); }));
  EXPECT_TRUE(refused([&](v1::Entry& e) {
    add(e, "user.a", "1");
    add(e, "user.a", "1");
  }));
  EXPECT_TRUE(refused([&](v1::Entry& e) {
    for (int i = 0; i < 129; ++i) add(e, "user." + std::to_string(i), "");
  }));
  EXPECT_TRUE(refused([](v1::Entry& e) { e.mutable_owner()->set_user(std::string(256, 'x')); }));
  EXPECT_TRUE(refused([](v1::Entry& e) { e.mutable_owner()->set_group(std::string("\0", 1)); }));
  v1::Entry tombstone;
  tombstone.set_path("p");
  tombstone.set_type(v1::ENTRY_TYPE_TOMBSTONE);
  EXPECT_TRUE(FromProto(tombstone).ok());
  tombstone.mutable_owner();
  EXPECT_TRUE(absl::IsInvalidArgument(FromProto(tombstone).status()));
}

RC_GTEST_PROP(ConvertTest, ContentsOfAnyShapeComeThroughUnchanged, ()) {
  Content content;
  content.average_size = 64u << *rc::gen::inRange(10, 14);
  content.depth = *rc::gen::inRange(0, 4);
  const auto sizes =
      *rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange<uint32_t>(1, kMaxChunkSize + 1));
  for (const uint32_t size : sizes) {
    content.refs.push_back({Id(static_cast<char>(size)), size});
    content.size += size;
  }
  if (sizes.empty()) content.depth = 0;
  content.hash = *ContentHash::FromBytes(std::string(32, 'h'));
  v1::Content proto;
  ToProto(content, &proto);
  const absl::StatusOr<Content> back = FromProto(proto);
  RC_ASSERT(back.ok());
  RC_ASSERT(*back == content);
}

RC_GTEST_PROP(ConvertTest, AnyBytesAreReadOrRefusedAndWhatIsReadStaysTheSame,
              (const std::string& bytes)) {
  v1::Entry proto = FileProto();
  // Damage in a place that parses, more often than noise would.
  const std::string whole = proto.SerializeAsString();
  std::string damaged = whole;
  for (size_t i = 0; i < bytes.size(); ++i) {
    damaged[(i * 37 + static_cast<unsigned char>(bytes[i])) % damaged.size()] = bytes[i];
  }
  if (!proto.ParseFromString(damaged)) return;
  const absl::StatusOr<Entry> entry = FromProto(proto);
  if (!entry.ok()) {
    RC_ASSERT(absl::IsInvalidArgument(entry.status()));
    return;
  }
  v1::Entry again;
  ToProto(*entry, &again);
  const absl::StatusOr<Entry> back = FromProto(again);
  RC_ASSERT(back.ok());
  RC_ASSERT(Bytes(*back) == Bytes(*entry));
}

struct Refusal {
  const char* what;
  void (*break_it)(v1::Entry&);
  const char* sentence;
};

TEST(ConvertTest, EntriesThatBreakARuleAreRefusedWithASentence) {
  const Refusal refusals[] = {
      {"no path", [](v1::Entry& e) { e.clear_path(); }, "without a path"},
      {"dot dot", [](v1::Entry& e) { e.set_path("a/../b"); }, "path \"a/../b\""},
      {"NUL", [](v1::Entry& e) { e.set_path(std::string("a\0b", 3)); }, "path \"a%00b\""},
      {"state", [](v1::Entry& e) { e.set_path("x/.SYNCAGENT/y"); }, "path"},
      {"type", [](v1::Entry& e) { e.set_type(v1::ENTRY_TYPE_UNSPECIFIED); }, "entry type 0"},
      {"strange type", [](v1::Entry& e) { e.set_type(static_cast<v1::EntryType>(77)); },
       "entry type 77"},
      {"setuid", [](v1::Entry& e) { e.set_mode(04755); }, "permissions"},
      {"time", [](v1::Entry& e) { e.set_mtime_ns(INT64_MIN); }, "modification time"},
      {"no content", [](v1::Entry& e) { e.clear_content(); }, "lacks content"},
      {"content of a directory", [](v1::Entry& e) { e.set_type(v1::ENTRY_TYPE_DIRECTORY); },
       "carries content"},
      {"target of a file", [](v1::Entry& e) { e.set_symlink_target("x"); }, "symlink target"},
      {"hash", [](v1::Entry& e) { e.mutable_content()->set_hash("short"); }, "content hash"},
      {"id", [](v1::Entry& e) { e.mutable_content()->mutable_refs(0)->set_id("short"); },
       "chunk id"},
      {"empty chunk", [](v1::Entry& e) { e.mutable_content()->mutable_refs(0)->set_size(0); },
       "a chunk of 0 bytes"},
      {"large chunk",
       [](v1::Entry& e) { e.mutable_content()->mutable_refs(0)->set_size(kMaxChunkSize + 1); },
       "a chunk of 2097153 bytes"},
      {"sum", [](v1::Entry& e) { e.mutable_content()->set_size(301); }, "add up to 300"},
      {"depth", [](v1::Entry& e) { e.mutable_content()->set_depth(4); }, "depth 4"},
      {"size", [](v1::Entry& e) { e.mutable_content()->set_size(UINT64_MAX); }, "file size"},
      {"average", [](v1::Entry& e) { e.mutable_content()->set_average_size(65537); },
       "average chunk size"},
      {"empty file with chunks", [](v1::Entry& e) { e.mutable_content()->set_size(0); },
       "empty file"},
      {"no pieces",
       [](v1::Entry& e) {
         e.mutable_content()->set_depth(1);
         e.mutable_content()->clear_refs();
       },
       "names no pieces"},
      {"author", [](v1::Entry& e) { e.set_author("me"); }, "agent id"},
      {"moved to", [](v1::Entry& e) { e.set_moved_to("x"); }, "moved_to"},
      {"moved from outside", [](v1::Entry& e) { e.set_moved_from("../x"); }, "moved_from"},
      {"moved from itself", [](v1::Entry& e) { e.set_moved_from(e.path()); }, "to itself"},
  };
  for (const Refusal& refusal : refusals) {
    v1::Entry proto = FileProto();
    refusal.break_it(proto);
    const absl::Status status = FromProto(proto).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << refusal.what << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(refusal.sentence)) << refusal.what;
  }
}

TEST(ConvertTest, ContentMayNotNameMoreChunksThanAListPiece) {
  v1::Entry proto = FileProto();
  v1::Content* content = proto.mutable_content();
  const v1::ChunkRef ref = content->refs(0);
  content->clear_refs();
  for (int i = 0; i < 1024; ++i) *content->add_refs() = ref;
  content->set_size(1024 * ref.size());
  EXPECT_TRUE(FromProto(proto).ok());
  *content->add_refs() = ref;
  content->set_size(1025 * ref.size());
  EXPECT_TRUE(absl::IsInvalidArgument(FromProto(proto).status()));
}

TEST(ConvertTest, SymlinkTargetsAreBounded) {
  v1::Entry proto;
  proto.set_path("s");
  proto.set_type(v1::ENTRY_TYPE_SYMLINK);
  EXPECT_FALSE(FromProto(proto).ok());
  proto.set_symlink_target(std::string(4095, 't'));
  EXPECT_TRUE(FromProto(proto).ok());
  proto.set_symlink_target(std::string(4096, 't'));
  EXPECT_FALSE(FromProto(proto).ok());
  proto.set_symlink_target(std::string("a\0b", 3));
  EXPECT_FALSE(FromProto(proto).ok());
}

TEST(ConvertTest, ChangeLosesWhatOnlyTheServerSets) {
  Change change;
  change.entry = File();
  change.base_version = 41;
  change.conflict_of = *RelPath::Parse("original");
  v1::Change proto;
  ToProto(change, &proto);
  const absl::StatusOr<Change> back = FromProto(proto);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->base_version, 41);
  EXPECT_EQ(back->conflict_of, change.conflict_of);
  EXPECT_EQ(back->entry.version, 0);
  EXPECT_EQ(back->entry.author, "");
  EXPECT_EQ(back->entry.committed_at_ns, 0);
}

TEST(ConvertTest, OutcomesOfEveryKindComeThrough) {
  std::vector<ChangeOutcome> outcomes(4);
  outcomes[0].version = 12;
  outcomes[1].kind = ChangeOutcome::Kind::kSuperseded;
  outcomes[1].current = File();
  outcomes[1].content_of_version = 7;
  outcomes[2].kind = ChangeOutcome::Kind::kMissingChunks;
  outcomes[2].missing = {Id('x'), Id('y')};
  outcomes[3].kind = ChangeOutcome::Kind::kRejected;
  outcomes[3].reason = RejectReason::kNotEmpty;
  outcomes[3].message = "there is something below";
  for (const ChangeOutcome& outcome : outcomes) {
    v1::ChangeOutcome proto;
    ToProto(outcome, &proto);
    const absl::StatusOr<ChangeOutcome> back = FromProto(proto);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->kind, outcome.kind);
    EXPECT_EQ(back->version, outcome.version);
    EXPECT_EQ(back->content_of_version, outcome.content_of_version);
    EXPECT_EQ(back->current.has_value(), outcome.current.has_value());
    EXPECT_EQ(back->missing, outcome.missing);
    EXPECT_EQ(back->message, outcome.message);
  }
  EXPECT_EQ(FromProto([&] {
              v1::ChangeOutcome proto;
              ToProto(outcomes[3], &proto);
              return proto;
            }())
                ->reason,
            RejectReason::kNotEmpty);
  EXPECT_TRUE(absl::IsInvalidArgument(FromProto(v1::ChangeOutcome()).status()));
}

TEST(ConvertTest, CursorsNeedAnIncarnationOf16Bytes) {
  v1::Cursor proto;
  EXPECT_EQ(*FromProto(proto), Cursor());
  proto.set_version(1);
  EXPECT_FALSE(FromProto(proto).ok());
  proto.set_incarnation(std::string(16, 'i'));
  EXPECT_EQ(*FromProto(proto), (Cursor{std::string(16, 'i'), 1}));
  proto.set_incarnation(std::string(17, 'i'));
  EXPECT_FALSE(FromProto(proto).ok());
}

TEST(ConvertTest, PackedChunksKeepTheirFrame) {
  v1::PackedChunk proto;
  ToProto(StoredChunk{Id('x'), ChunkKind::kList, absl::Cord("frame bytes")}, &proto);
  v1::PackedChunk copy = proto;
  const absl::StatusOr<StoredChunk> chunk = FromProto(std::move(copy));
  ASSERT_TRUE(chunk.ok());
  EXPECT_EQ(chunk->id, Id('x'));
  EXPECT_EQ(chunk->kind, ChunkKind::kList);
  EXPECT_EQ(chunk->frame, "frame bytes");
  copy = proto;
  copy.set_kind(v1::CHUNK_KIND_UNSPECIFIED);
  EXPECT_FALSE(FromProto(std::move(copy)).ok());
  copy = proto;
  copy.set_id("short");
  EXPECT_FALSE(FromProto(std::move(copy)).ok());
  copy = proto;
  copy.set_frame(std::string(kMaxFrameSize + 1, 'f'));
  EXPECT_FALSE(FromProto(std::move(copy)).ok());
}

TEST(ConvertTest, ReadableNamesArePrintableUtf8) {
  for (const char* good : {"laptop", "Ünïcode ✓", "a b-c_d.e"}) {
    EXPECT_TRUE(ValidateReadableName(good, 64, "name").ok()) << good;
  }
  for (const char* bad : {"", "a\nb", "\x1b[31m", "\xff", "a\xc2\x85z",
                          "\xe2\x80\xae"
                          "rtl"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ValidateReadableName(bad, 64, "name"))) << bad;
  }
  EXPECT_TRUE(ValidateReadableName(std::string(64, 'n'), 64, "name").ok());
  EXPECT_FALSE(ValidateReadableName(std::string(65, 'n'), 64, "name").ok());
}

}  // namespace
}  // namespace filesync
