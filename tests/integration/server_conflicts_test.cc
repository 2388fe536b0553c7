// What agents hold for a person, as the server records and lists it.
#include <map>
#include <set>

#include "tests/integration/server_harness.h"

namespace filesync {
namespace {

using Names = std::vector<std::string>;

v1::HeldConflict Held(const std::string& path, uint64_t size = 5) {
  v1::HeldConflict held;
  held.set_path(path);
  v1::ConflictSide* local = held.mutable_local();
  local->set_type(v1::ENTRY_TYPE_FILE);
  local->set_size(size);
  local->set_mtime_ns(1'700'000'000'000'000'000);
  local->set_short_hash("\x01\x02\x03\x04\x05\x06\x07\x08");
  v1::ConflictSide* remote = held.mutable_remote();
  remote->set_type(v1::ENTRY_TYPE_TOMBSTONE);
  remote->set_version(7);
  remote->set_author(AgentId('b'));
  held.set_base_version(3);
  return held;
}

class ServerConflictsTest : public testing::Test {
 protected:
  void SetUp() override { Connect(); }

  void Connect() {
    channel_ = harness_.Connect();
    admin_ = v1::AdminService::NewStub(channel_);
  }

  std::unique_ptr<RawStream> Agent(char which, const std::string& folder = "work") {
    auto stream = std::make_unique<RawStream>(channel_, AgentId(which));
    EXPECT_TRUE(stream->Hello(folder).has_value());
    return stream;
  }

  // Sends a report and waits until it is recorded.
  static bool Report(RawStream& stream, const std::vector<v1::HeldConflict>& conflicts,
                     uint64_t omitted = 0, const Names& settled = {}) {
    v1::SyncRequest request;
    v1::HeldConflicts* report = request.mutable_held_conflicts();
    for (const v1::HeldConflict& conflict : conflicts) *report->add_conflicts() = conflict;
    report->set_omitted(omitted);
    for (const std::string& path : settled) report->add_settled(path);
    if (!stream.Write(request)) return false;
    while (const auto response = stream.Read()) {
      if (response->has_held_conflicts_recorded()) return true;
    }
    return false;
  }

  grpc::Status Page(const v1::ListConflictsRequest& request, v1::ListConflictsResponse* response) {
    grpc::ClientContext context;
    SetDeadline(context);
    return admin_->ListConflicts(&context, request, response);
  }

  std::vector<v1::ConflictView> List(uint32_t page_size = 0, const std::string& prefix = "",
                                     uint64_t* omitted = nullptr) {
    std::vector<v1::ConflictView> views;
    v1::ListConflictsRequest request;
    request.set_folder("work");
    request.set_prefix(prefix);
    request.set_page_size(page_size);
    do {
      v1::ListConflictsResponse response;
      const grpc::Status status = Page(request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      EXPECT_LE(response.conflicts_size(), page_size > 0 ? static_cast<int>(page_size) : 100);
      for (const v1::ConflictView& view : response.conflicts()) views.push_back(view);
      if (omitted != nullptr) *omitted += response.omitted();
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return views;
  }

  Names Paths(uint32_t page_size = 0, const std::string& prefix = "") {
    Names paths;
    for (const v1::ConflictView& view : List(page_size, prefix)) {
      paths.push_back(view.kind() == "copy" ? view.copy_path() : view.path());
    }
    return paths;
  }

  TemporaryDirectory directory_;
  ServerHarness harness_{directory_.path()};
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

TEST_F(ServerConflictsTest, WhatIsHeldIsListedWithBothSides) {
  const auto b = Agent('b');
  const auto a = Agent('a');
  ASSERT_TRUE(Report(*a, {Held("d/x\x01"), Held("e")}));
  const std::vector<v1::ConflictView> views = List();
  ASSERT_EQ(views.size(), 2u);
  const v1::ConflictView& view = views[0];
  EXPECT_EQ(view.path(), "d/x%01");
  EXPECT_EQ(view.kind(), "held");
  EXPECT_EQ(view.local().type(), "file");
  EXPECT_EQ(view.local().size(), 5u);
  EXPECT_EQ(view.local().short_hash(), "0102030405060708");
  EXPECT_EQ(view.local().by(), "agent-a");
  EXPECT_EQ(view.local().modified_at().seconds(), 1'700'000'000);
  EXPECT_EQ(view.remote().type(), "tombstone");
  EXPECT_EQ(view.remote().version(), 7u);
  EXPECT_EQ(view.remote().by(), "agent-b");
  EXPECT_EQ(view.base_version(), 3u);
  EXPECT_EQ(view.agent_name(), "agent-a");
  EXPECT_TRUE(view.connected());
  EXPECT_GT(view.since().seconds(), 1'700'000'000);
}

TEST_F(ServerConflictsTest, AReportTakesThePlaceOfTheOneBefore) {
  const auto a = Agent('a');
  const auto b = Agent('b');
  ASSERT_TRUE(Report(*a, {Held("one"), Held("two")}));
  ASSERT_TRUE(Report(*b, {Held("two")}));
  const auto since = List()[0].since();
  // The same twice changes nothing, and a conflict that goes on keeps its beginning.
  ASSERT_TRUE(Report(*a, {Held("one"), Held("two")}));
  ASSERT_TRUE(Report(*a, {Held("one", 9), Held("three")}));
  EXPECT_EQ(Paths(), (Names{"one", "three", "two"}));
  EXPECT_EQ(List()[0].local().size(), 9u);
  EXPECT_EQ(List()[0].since().nanos(), since.nanos());
  ASSERT_TRUE(Report(*a, {}, 0, {"three", "never"}));
  EXPECT_EQ(Paths(), (Names{"one", "two"}));
  ASSERT_TRUE(Report(*a, {}));
  EXPECT_EQ(Paths(), (Names{"two"}));
}

TEST_F(ServerConflictsTest, RecordsOutliveTheStreamAndTheServer) {
  {
    const auto a = Agent('a');
    ASSERT_TRUE(Report(*a, {Held("x"), Held("y")}, 12));
    ASSERT_TRUE(a->Finish().ok());
  }
  harness_.Restart();
  Connect();
  uint64_t omitted = 0;
  const std::vector<v1::ConflictView> views = List(0, "", &omitted);
  ASSERT_EQ(views.size(), 2u);
  EXPECT_FALSE(views[0].connected());
  EXPECT_EQ(views[0].agent_name(), "agent-a");
  EXPECT_EQ(omitted, 12u);
  const auto a = Agent('a');
  ASSERT_TRUE(Report(*a, {Held("y")}));
  omitted = 0;
  EXPECT_EQ(List(0, "", &omitted).size(), 1u);
  EXPECT_EQ(omitted, 0u);
}

TEST_F(ServerConflictsTest, ListsComeInPagesHeldOnesFirst) {
  const auto a = Agent('a');
  const auto b = Agent('b');
  const std::string copy = "d/1.conflict-20261121-101010-laptop.txt";
  v1::Commit commit = CommitOf(1, {ChangeOf(DirectoryEntry("d"))});
  for (int i = 0; i < 5; ++i) {
    *commit.add_changes() = ChangeOf(DirectoryEntry("d/" + std::to_string(i)));
  }
  *commit.add_changes() = ChangeOf(FileEntry(copy, {"mine"}));
  *commit.add_changes() = ChangeOf(FileEntry("d/1.txt", {"theirs"}));
  *commit.add_changes() = ChangeOf(FileEntry("e.conflict-20261121-101010-laptop", {"mine"}));
  for (const char* content : {"mine", "theirs"}) *commit.add_inline_chunks() = Pack(content);
  ASSERT_TRUE(a->Commit(commit).has_value());
  ASSERT_TRUE(Report(*a, {Held("d/p"), Held("q")}));
  ASSERT_TRUE(Report(*b, {Held("d/r")}));
  const Names all = {"d/p", "q", "d/r", copy, "e.conflict-20261121-101010-laptop"};
  for (const uint32_t page : {0, 1, 2, 3, 4, 5, 100}) EXPECT_EQ(Paths(page), all) << page;
  EXPECT_EQ(Paths(0, "d"), (Names{"d/p", "d/r", copy}));
  const std::vector<v1::ConflictView> views = List();
  EXPECT_EQ(views[3].kind(), "copy");
  EXPECT_EQ(views[3].path(), "d/1.txt");
  EXPECT_EQ(views[3].agent_name(), "laptop");
  EXPECT_EQ(views[3].local().size(), 4u);
  EXPECT_EQ(views[3].remote().size(), 6u);
  EXPECT_EQ(views[3].remote().by(), "agent-a");
  EXPECT_FALSE(views[4].has_remote());

  v1::ListConflictsRequest request;
  v1::ListConflictsResponse response;
  request.set_folder("nowhere");
  EXPECT_EQ(Page(request, &response).error_code(), grpc::NOT_FOUND);
  request.set_folder("work");
  for (const char* token : {"no token", "h", "hzz", "c2e2e", "x00"}) {
    request.set_page_token(token);
    EXPECT_EQ(Page(request, &response).error_code(), grpc::INVALID_ARGUMENT) << token;
  }
}

TEST_F(ServerConflictsTest, FoldersAreKeptApart) {
  const auto work = Agent('a');
  const auto other = Agent('a', "other");
  ASSERT_TRUE(Report(*other, {Held("there")}));
  ASSERT_TRUE(Report(*work, {Held("here")}));
  EXPECT_EQ(Paths(), (Names{"here"}));
}

TEST_F(ServerConflictsTest, WhatBreaksTheRulesEndsTheStream) {
  std::vector<std::vector<v1::HeldConflict>> bad = {
      {Held("")}, {Held("../x")}, {Held("twice"), Held("twice")}};
  bad.push_back({Held("x")});
  bad.back()[0].mutable_local()->set_short_hash("short");
  bad.push_back({Held("x")});
  bad.back()[0].mutable_remote()->set_type(static_cast<v1::EntryType>(99));
  bad.push_back({Held("x")});
  bad.back()[0].mutable_remote()->set_author("nobody");
  bad.emplace_back();
  for (int i = 0; i < 1001; ++i) bad.back().push_back(Held("x" + std::to_string(i)));
  const auto good = Agent('g');
  ASSERT_TRUE(Report(*good, {Held("good")}));
  for (const auto& conflicts : bad) {
    const auto a = Agent('a');
    EXPECT_FALSE(Report(*a, conflicts));
    EXPECT_EQ(a->DrainToEnd().error_code(), grpc::INVALID_ARGUMENT);
  }
  EXPECT_EQ(Paths(), (Names{"good"}));
}

TEST_F(ServerConflictsTest, WatchersHearWhatIsHeldAndSettled) {
  const auto a = Agent('a');
  grpc::ClientContext context;
  SetDeadline(context);
  v1::WatchEventsRequest request;
  request.set_folder("work");
  const auto events = admin_->WatchEvents(&context, request);
  events->WaitForInitialMetadata();
  ASSERT_TRUE(Report(*a, {Held("x"), Held("y")}));
  ASSERT_TRUE(Report(*a, {Held("x"), Held("y")}));
  ASSERT_TRUE(Report(*a, {Held("y")}));
  Names heard;
  v1::WatchEventsResponse event;
  while (heard.size() < 3 && events->Read(&event)) {
    if (event.has_conflict_held()) heard.push_back("held " + event.conflict_held().path());
    if (event.has_conflict_settled()) heard.push_back("settled " + event.conflict_settled().path());
  }
  EXPECT_EQ(heard, (Names{"held x", "held y", "settled x"}));
  context.TryCancel();
}

}  // namespace
}  // namespace filesync
