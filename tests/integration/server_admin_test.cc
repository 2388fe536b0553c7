// AdminService, health and reflection: what people and operators see.
#include <grpcpp/support/byte_buffer.h>

#include "grpc/health/v1/health.grpc.pb.h"
#include "libs/base/version.h"
#include "tests/integration/server_harness.h"

namespace filesync {
namespace {

class ServerAdminTest : public testing::Test {
 protected:
  void SetUp() override {
    channel_ = harness_.Connect();
    admin_ = v1::AdminService::NewStub(channel_);
  }

  // Calls `method` of the admin service.
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::AdminService::Stub::*method)(grpc::ClientContext*,
                                                                   const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    SetDeadline(context);
    return (admin_.get()->*method)(&context, request, response);
  }

  grpc::Status Create(const std::string& name) {
    v1::CreateFolderRequest request;
    request.set_folder(name);
    v1::CreateFolderResponse response;
    return Call(&v1::AdminService::Stub::CreateFolder, request, &response);
  }

  v1::ListEntriesResponse List(const std::string& prefix, uint32_t page, const std::string& token,
                               bool deleted = false) {
    v1::ListEntriesRequest request;
    request.set_folder("work");
    request.set_prefix(prefix);
    request.set_page_size(page);
    request.set_page_token(token);
    request.set_include_deleted(deleted);
    v1::ListEntriesResponse response;
    const grpc::Status status = Call(&v1::AdminService::Stub::ListEntries, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  TemporaryDirectory directory_;
  ServerHarness harness_{directory_.path()};
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

TEST_F(ServerAdminTest, FoldersAreMadeOnceAndListedByName) {
  EXPECT_TRUE(Create("zoo").ok());
  EXPECT_TRUE(Create("alpha").ok());
  EXPECT_EQ(Create("alpha").error_code(), grpc::ALREADY_EXISTS);
  for (const std::string& name :
       {std::string(), std::string("a/b"), std::string("a\x01"), std::string(129, 'n')}) {
    EXPECT_EQ(Create(name).error_code(), grpc::INVALID_ARGUMENT) << name;
  }
  v1::ListFoldersResponse folders;
  ASSERT_TRUE(Call(&v1::AdminService::Stub::ListFolders, {}, &folders).ok());
  ASSERT_EQ(folders.folders_size(), 2);
  EXPECT_EQ(folders.folders(0).name(), "alpha");
  EXPECT_EQ(folders.folders(1).name(), "zoo");
  EXPECT_GT(folders.folders(0).created_at().seconds(), 1'700'000'000);
}

TEST_F(ServerAdminTest, UnknownFoldersAreNotFound) {
  v1::GetFolderRequest folder;
  folder.set_folder("nowhere");
  v1::GetFolderResponse folder_response;
  EXPECT_EQ(Call(&v1::AdminService::Stub::GetFolder, folder, &folder_response).error_code(),
            grpc::NOT_FOUND);
  v1::ListEntriesRequest entries;
  entries.set_folder("nowhere");
  v1::ListEntriesResponse entries_response;
  EXPECT_EQ(Call(&v1::AdminService::Stub::ListEntries, entries, &entries_response).error_code(),
            grpc::NOT_FOUND);
  grpc::ClientContext context;
  SetDeadline(context);
  v1::WatchEventsRequest watch;
  watch.set_folder("nowhere");
  const auto events = admin_->WatchEvents(&context, watch);
  v1::WatchEventsResponse event;
  EXPECT_FALSE(events->Read(&event));
  EXPECT_EQ(events->Finish().error_code(), grpc::NOT_FOUND);
}

TEST_F(ServerAdminTest, EntriesComeInPagesWithReadableNames) {
  RawStream stream(channel_, AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  v1::Commit commit = CommitOf(1, {ChangeOf(DirectoryEntry("d"))});
  for (int i = 0; i < 5; ++i) {
    *commit.add_changes() = ChangeOf(DirectoryEntry("d/" + std::to_string(i)));
  }
  *commit.add_changes() = ChangeOf(DirectoryEntry("odd\x01\xff%"));
  ASSERT_TRUE(stream.Commit(commit).has_value());

  std::vector<std::string> paths;
  std::string token;
  int pages = 0;
  do {
    const v1::ListEntriesResponse page = List("", 3, token);
    EXPECT_LE(page.entries_size(), 3);
    for (const v1::EntryView& entry : page.entries()) paths.push_back(entry.path());
    token = page.next_page_token();
    ++pages;
  } while (!token.empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(paths,
            (std::vector<std::string>{"d", "d/0", "d/1", "d/2", "d/3", "d/4", "odd%01%FF%25"}));
  EXPECT_EQ(List("odd%01%FF%25", 0, "").entries_size(), 1);
  EXPECT_EQ(List("d", 0, "").entries_size(), 6);

  v1::ListEntriesRequest bad;
  bad.set_folder("work");
  bad.set_page_token("no token");
  v1::ListEntriesResponse response;
  EXPECT_EQ(Call(&v1::AdminService::Stub::ListEntries, bad, &response).error_code(),
            grpc::INVALID_ARGUMENT);
  bad.set_page_token("");
  bad.set_prefix("../x");
  EXPECT_EQ(Call(&v1::AdminService::Stub::ListEntries, bad, &response).error_code(),
            grpc::INVALID_ARGUMENT);
}

TEST_F(ServerAdminTest, AnEntryShowsWhatItWasBefore) {
  RawStream stream(channel_, AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  auto result = stream.Commit(CommitOf(1, {ChangeOf(FileEntry("a", {"one"}))}, {"one"}));
  ASSERT_TRUE(result.has_value());
  const uint64_t first = result->outcomes(0).accepted().version();
  result = stream.Commit(CommitOf(2, {ChangeOf(FileEntry("a", {"three"}), first)}, {"three"}));
  ASSERT_TRUE(result.has_value());
  const uint64_t second = result->outcomes(0).accepted().version();
  ASSERT_TRUE(stream.Commit(CommitOf(3, {ChangeOf(Tombstone("a"), second)})).has_value());

  v1::GetEntryRequest request;
  request.set_folder("work");
  request.set_path("a");
  v1::GetEntryResponse response;
  ASSERT_TRUE(Call(&v1::AdminService::Stub::GetEntry, request, &response).ok());
  EXPECT_EQ(response.entry().type(), "tombstone");
  ASSERT_EQ(response.history_size(), 2);
  EXPECT_EQ(response.history(0).entry().version(), second);
  EXPECT_EQ(response.history(0).entry().size(), 5);
  EXPECT_EQ(response.history(1).entry().version(), first);
  EXPECT_EQ(response.history(1).superseded_by(), second);
  EXPECT_EQ(response.history(1).entry().mode(), "0644");
  EXPECT_EQ(response.history(1).entry().author(), "61616161616161616161616161616161");
  EXPECT_TRUE(List("", 0, "").entries().empty());
  EXPECT_EQ(List("", 0, "", /*deleted=*/true).entries_size(), 1);
  request.set_path("never");
  EXPECT_EQ(Call(&v1::AdminService::Stub::GetEntry, request, &response).error_code(),
            grpc::NOT_FOUND);
}

TEST_F(ServerAdminTest, AgentsAreListedWithHowFarTheyAre) {
  v1::Cursor cursor;
  uint64_t version = 0;
  {
    RawStream stream(channel_, AgentId('a'));
    ASSERT_TRUE(stream.Hello("work").has_value());
    const auto result = stream.Commit(CommitOf(1, {ChangeOf(DirectoryEntry("d"))}));
    ASSERT_TRUE(result.has_value());
    version = result->head_version();
    stream.ReadThrough(version, &cursor);

    v1::ListAgentsRequest request;
    request.set_folder("work");
    v1::ListAgentsResponse response;
    ASSERT_TRUE(Call(&v1::AdminService::Stub::ListAgents, request, &response).ok());
    ASSERT_EQ(response.agents_size(), 1);
    EXPECT_EQ(response.agents(0).name(), "agent-a");
    EXPECT_TRUE(response.agents(0).connected());
    EXPECT_EQ(response.agents(0).state(), "syncing");
    EXPECT_EQ(response.agents(0).lag(), version);
    EXPECT_TRUE(response.agents(0).address().starts_with("127.0.0.1:"));

    v1::SyncRequest applied;
    *applied.mutable_applied()->mutable_cursor() = cursor;
    ASSERT_TRUE(stream.Write(applied));
    // The answer to a commit shows that the message before it has been handled.
    ASSERT_TRUE(stream.Commit(CommitOf(2, {})).has_value());
    response.Clear();
    ASSERT_TRUE(Call(&v1::AdminService::Stub::ListAgents, request, &response).ok());
    EXPECT_EQ(response.agents(0).state(), "in sync");
    EXPECT_EQ(response.agents(0).applied_version(), version);
    ASSERT_TRUE(stream.Finish().ok());
  }
  harness_.Restart();
  admin_ = v1::AdminService::NewStub(harness_.Connect());
  v1::ListAgentsResponse response;
  ASSERT_TRUE(Call(&v1::AdminService::Stub::ListAgents, {}, &response).ok());
  ASSERT_EQ(response.agents_size(), 1);
  EXPECT_FALSE(response.agents(0).connected());
  EXPECT_EQ(response.agents(0).state(), "offline");
  EXPECT_EQ(response.agents(0).applied_version(), version);
}

TEST_F(ServerAdminTest, EventsAreWatchedAsTheyHappen) {
  ASSERT_TRUE(Create("work").ok());
  grpc::ClientContext context;
  SetDeadline(context);
  v1::WatchEventsRequest request;
  request.set_folder("work");
  const auto events = admin_->WatchEvents(&context, request);
  events->WaitForInitialMetadata();
  {
    RawStream stream(channel_, AgentId('a'));
    ASSERT_TRUE(stream.Hello("work").has_value());
    ASSERT_TRUE(stream.Commit(CommitOf(1, {ChangeOf(DirectoryEntry("d"))})).has_value());
    ASSERT_TRUE(stream.Finish().ok());
  }
  v1::WatchEventsResponse event;
  bool connected = false;
  bool committed = false;
  bool disconnected = false;
  while (!(connected && committed && disconnected) && events->Read(&event)) {
    connected = connected || event.agent_connected().name() == "agent-a";
    committed = committed || event.entry().path() == "d";
    disconnected = disconnected || event.agent_disconnected().state() == "offline";
  }
  EXPECT_TRUE(connected && committed && disconnected);
  context.TryCancel();
  EXPECT_EQ(events->Finish().error_code(), grpc::CANCELLED);
}

TEST_F(ServerAdminTest, ServerInfoNamesThisStart) {
  v1::GetServerInfoResponse before;
  ASSERT_TRUE(Call(&v1::AdminService::Stub::GetServerInfo, {}, &before).ok());
  EXPECT_EQ(before.version(), kVersion);
  EXPECT_EQ(before.server_id().size(), 32);
  harness_.Restart();
  admin_ = v1::AdminService::NewStub(harness_.Connect());
  v1::GetServerInfoResponse after;
  ASSERT_TRUE(Call(&v1::AdminService::Stub::GetServerInfo, {}, &after).ok());
  EXPECT_EQ(before.server_id(), after.server_id());
  EXPECT_NE(before.incarnation(), after.incarnation());
}

TEST_F(ServerAdminTest, HealthIsToldAndWatched) {
  using grpc::health::v1::HealthCheckResponse;
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  grpc::health::v1::HealthCheckRequest request;
  for (const char* service : {"", "filesync.v1.SyncService", "filesync.v1.ChunkService"}) {
    grpc::ClientContext context;
    SetDeadline(context);
    request.set_service(service);
    HealthCheckResponse response;
    ASSERT_TRUE(health->Check(&context, request, &response).ok());
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  }
  {
    grpc::ClientContext context;
    SetDeadline(context);
    request.set_service("no.such.Service");
    HealthCheckResponse response;
    EXPECT_EQ(health->Check(&context, request, &response).error_code(), grpc::NOT_FOUND);
  }
  grpc::ClientContext context;
  SetDeadline(context);
  request.set_service("");
  const auto watch = health->Watch(&context, request);
  HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  EXPECT_TRUE(harness_.server().Stop(absl::ZeroDuration(), absl::Seconds(20)).ok());
  bool not_serving = false;
  while (watch->Read(&response)) {
    not_serving = response.status() == HealthCheckResponse::NOT_SERVING;
  }
  EXPECT_TRUE(not_serving);
  EXPECT_EQ(watch->Finish().error_code(), grpc::UNAVAILABLE);
}

// One exchange with the reflection service, in bytes: its stubs are no part of the library.
std::string Reflect(const std::shared_ptr<grpc::Channel>& channel, const std::string& question) {
  grpc::ClientContext context;
  SetDeadline(context);
  const grpc::internal::RpcMethod method(
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      grpc::internal::RpcMethod::BIDI_STREAMING, channel);
  const std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream(
      grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
          channel.get(), method, &context));
  grpc::Slice slice(question);
  stream->Write(grpc::ByteBuffer(&slice, 1));
  grpc::ByteBuffer answer;
  std::string text;
  if (stream->Read(&answer)) {
    std::vector<grpc::Slice> slices;
    (void)answer.Dump(&slices);
    for (const grpc::Slice& part : slices) {
      text.append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  return text;
}

TEST_F(ServerAdminTest, ReflectionShowsEveryServiceHealthIncluded) {
  const std::string services = Reflect(channel_, "\x3a\x01*");  // list_services
  for (const std::string& name :
       {std::string("filesync.v1.SyncService"), std::string("filesync.v1.ChunkService"),
        std::string("filesync.v1.AdminService"), std::string("grpc.health.v1.Health"),
        std::string("grpc.channelz.v1.Channelz")}) {
    EXPECT_NE(services.find(name), std::string::npos) << name;
    // file_containing_symbol
    const std::string question = "\x22" + std::string(1, static_cast<char>(name.size())) + name;
    EXPECT_NE(Reflect(channel_, question).find(".proto"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace filesync
