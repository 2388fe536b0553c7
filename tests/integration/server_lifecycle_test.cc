// Starting, stopping, and what is refused at the start.
#include <httplib.h>

#include <fstream>
#include <set>
#include <thread>

#include "libs/wire/channel.h"
#include "services/syncd/health_check.h"
#include "tests/integration/server_harness.h"

namespace filesync {
namespace {

class ServerLifecycleTest : public testing::Test {
 protected:
  absl::Status TryStart(const ServerConfig& config) {
    return SyncServer::Start(config, &clock_, &log_).status();
  }
  ServerConfig Config(const std::string& data) {
    ServerConfig config;
    config.listen = {"127.0.0.1", 0};
    config.http.reset();
    config.data = data;
    return config;
  }

  TemporaryDirectory directory_;
  RealClock clock_;
  Logger log_{LogLevel::kOff};
};

TEST_F(ServerLifecycleTest, SecondServerOnTheSameDirectoryIsRefused) {
  ServerHarness harness(directory_.path());
  const absl::Status status = TryStart(Config(directory_.path()));
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(status.message().find("another process"), absl::string_view::npos) << status;
}

TEST_F(ServerLifecycleTest, DirectoryOfSomethingElseIsRefusedAndLeftAlone) {
  std::ofstream(directory_.path() + "/thesis.txt") << "precious";
  const absl::Status status = TryStart(Config(directory_.path()));
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(status.message().find("thesis.txt"), absl::string_view::npos) << status;
  const std::filesystem::directory_iterator entries(directory_.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST_F(ServerLifecycleTest, FileInPlaceOfTheDirectoryIsRefused) {
  std::ofstream(directory_.path() + "/file") << "x";
  EXPECT_FALSE(TryStart(Config(directory_.path() + "/file")).ok());
}

TEST_F(ServerLifecycleTest, NewerFormatIsRefused) {
  { ServerHarness harness(directory_.path()); }
  std::ofstream(directory_.path() + "/filesync-data") << "2\n";
  const absl::Status status = TryStart(Config(directory_.path()));
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(status.message().find("format 2"), absl::string_view::npos) << status;
}

TEST_F(ServerLifecycleTest, TakenPortsAreRefused) {
  ServerHarness harness(directory_.path() + "/one");
  ServerConfig config = Config(directory_.path() + "/two");
  config.listen.port = harness.server().port();
  absl::Status status = TryStart(config);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_NE(status.message().find("--listen"), absl::string_view::npos) << status;
  config = Config(directory_.path() + "/two");
  config.http = Endpoint{"127.0.0.1", harness.server().http_port()};
  status = TryStart(config);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_NE(status.message().find("--http"), absl::string_view::npos) << status;
}

TEST_F(ServerLifecycleTest, HttpTellsMetricsAndHealth) {
  ServerHarness harness(directory_.path());
  RawStream stream(harness.Connect(), AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  ASSERT_TRUE(stream.Commit(CommitOf(1, {ChangeOf(FileEntry("secret-name", {"hello"}))}, {"hello"}))
                  .has_value());
  httplib::Client http("127.0.0.1", harness.server().http_port());
  const auto metrics = http.Get("/metrics");
  ASSERT_TRUE(metrics);
  EXPECT_EQ(metrics->status, 200);
  for (const char* line :
       {"filesync_commits_total 1", "filesync_agents_connected{folder=\"work\"} 1",
        "filesync_folder_entries{folder=\"work\"} 1", "filesync_folder_bytes{folder=\"work\"} 5",
        "filesync_changes_total{outcome=\"accepted\"} 1", "filesync_store_healthy 1",
        "filesync_build_info{version=", "grpc_method=\"Sync\"", "process_resident_memory_bytes"}) {
    EXPECT_NE(metrics->body.find(line), std::string::npos) << line;
  }
  EXPECT_EQ(metrics->body.find("secret-name"), std::string::npos);
  EXPECT_EQ(http.Get("/healthz")->status, 200);
  EXPECT_EQ(http.Get("/readyz")->status, 200);
  EXPECT_EQ(http.Get("/other")->status, 404);
  EXPECT_EQ(http.Post("/metrics", "x", "text/plain")->status, 405);
}

TEST_F(ServerLifecycleTest, CallsAreCountedWithTheirCode) {
  ServerHarness harness(directory_.path());
  {
    RawStream stream(harness.Connect(), AgentId('a'));
    EXPECT_FALSE(stream.Hello("nowhere", {}, /*create=*/false).has_value());
    stream.DrainToEnd();
  }
  httplib::Client http("127.0.0.1", harness.server().http_port());
  const auto metrics = http.Get("/metrics");
  ASSERT_TRUE(metrics);
  const size_t handled = metrics->body.find("grpc_server_handled_total{");
  ASSERT_NE(handled, std::string::npos);
  EXPECT_NE(metrics->body.find("NotFound", handled), std::string::npos) << metrics->body;
}

TEST_F(ServerLifecycleTest, HealthCheckCommandAsksTheServer) {
  ServerHarness harness(directory_.path());
  const int port = harness.server().port();
  EXPECT_TRUE(CheckHealth({"127.0.0.1", port}).ok());
  EXPECT_TRUE(CheckHealth({"0.0.0.0", port}).ok());
  harness.Stop();
  EXPECT_FALSE(CheckHealth({"127.0.0.1", port}).ok());
}

TEST_F(ServerLifecycleTest, AgentsAreToldToComeBackAtDifferentMoments) {
  ServerHarness harness(directory_.path());
  std::vector<std::unique_ptr<RawStream>> streams;
  for (char agent = 'a'; agent < 'i'; ++agent) {
    streams.push_back(std::make_unique<RawStream>(harness.Connect(), AgentId(agent)));
    ASSERT_TRUE(streams.back()->Hello("work").has_value());
  }
  std::thread stop(
      [&] { EXPECT_TRUE(harness.server().Stop(absl::Seconds(5), absl::Seconds(5)).ok()); });
  std::set<uint32_t> told;
  for (const auto& stream : streams) {
    std::optional<v1::SyncResponse> response = stream->Read();
    while (response.has_value() && !response->notice().has_going_away()) response = stream->Read();
    ASSERT_TRUE(response.has_value());
    const uint32_t after = response->notice().going_away().reconnect_after_ms();
    EXPECT_LE(after, 5000U);
    told.insert(after);
  }
  streams.clear();
  stop.join();
  EXPECT_GT(told.size(), 2U);
}

TEST_F(ServerLifecycleTest, StopDoesNotWaitForIdleStreams) {
  ServerHarness harness(directory_.path());
  RawStream stream(harness.Connect(), AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  auto admin = v1::AdminService::NewStub(harness.Connect());
  grpc::ClientContext context;
  SetDeadline(context);
  v1::WatchEventsRequest request;
  request.set_folder("work");
  const auto events = admin->WatchEvents(&context, request);
  events->WaitForInitialMetadata();
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(harness.server().Stop(absl::Seconds(5), absl::Seconds(25)).ok());
  EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
}

}  // namespace
}  // namespace filesync
