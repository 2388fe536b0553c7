#include "services/syncd/server.h"

#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/base/version.h"
#include "libs/chunk_store/decorators.h"
#include "libs/chunk_store/pack_chunk_store.h"
#include "libs/kv/rocksdb_store.h"
#include "libs/wire/convert.h"
#include "libs/wire/http.h"
#include "services/admin/admin_service.h"
#include "services/chunk/chunk_service.h"
#include "services/sync/sync_service.h"
#include "services/syncd/call_metrics.h"
#include "services/syncd/data_directory.h"
#include "services/syncd/health_service.h"
#include "services/syncd/housekeeping.h"
#include "services/syncd/pulse.h"
#include "services/syncd/server_metrics.h"

namespace filesync {
namespace {

// Of gRPC's buffers, all connections together.
constexpr size_t kGrpcMemoryBytes = 256 << 20;
// Of the content that came last, for those who are told of it.
constexpr size_t kRecentChunkBytes = 32 << 20;

// All services answer by callbacks; only the library's own (reflection, channelz) poll.
constexpr int kPollingThreads = 2;

// What can't be told is not refused for it: the store itself notices a full disk.
SpaceReserve::Disk MeasureDisk(int directory) {
  struct statvfs figures = {};
  if (fstatvfs(directory, &figures) != 0) return {.free = UINT64_MAX, .size = 0};
  const uint64_t unit = figures.f_frsize;
  return {.free = figures.f_bavail * unit, .size = figures.f_blocks * unit};
}

// How often who is absent grows older. What it is short of an hour is lost with each stop.
constexpr absl::Duration kShortestAging = absl::Seconds(1);
constexpr absl::Duration kLongestAging = absl::Hours(1);

constexpr absl::Duration kStopPoll = absl::Milliseconds(5);
constexpr absl::Duration kFarewell = absl::Milliseconds(100);

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

// In the order of construction; destroyed in the reverse.
struct SyncServer::Parts {
  Parts(const Clock* clock, Logger* log) : clock(clock), log(log) {}

  absl::Status OpenStore(const ServerConfig& config);
  void MakeServices();
  absl::Status Listen(const ServerConfig& config);
  absl::Status ListenHttp(const ServerConfig& config);
  void KeepHouse(const ServerConfig& config);
  absl::Status Health();
  std::function<void(FolderId, const std::string&, const UpcomingPart&)> TellOthers();
  absl::Status Stop(absl::Duration spread, absl::Duration grace);

  const Clock* const clock;
  Logger* const log;
  MetricsRegistry registry;
  const std::shared_ptr<std::atomic<int>> calls = std::make_shared<std::atomic<int>>(0);
  UniqueFd data_directory;
  std::unique_ptr<KvStore> kv;
  std::unique_ptr<MetadataStore> metadata;
  std::unique_ptr<SpaceReserve> reserve;
  std::unique_ptr<ChunkStore> chunks;
  Hub hub;
  Sessions sessions;
  ConflictObservers conflicts;
  std::unique_ptr<AgentRegistry> agents;
  std::unique_ptr<StagedBytes> staged;
  std::unique_ptr<SyncMetrics> sync_metrics;
  std::unique_ptr<ChunkMetrics> chunk_metrics;
  // Two, so that bulk data never stands before a commit.
  std::unique_ptr<ThreadPool> sync_pool;
  std::unique_ptr<ThreadPool> chunk_pool;
  std::unique_ptr<Pulse> pulse;
  std::unique_ptr<HealthService> health;
  std::unique_ptr<SyncService> sync;
  std::unique_ptr<ChunkService> chunk;
  std::unique_ptr<AdminService> admin;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<Housekeeping> housekeeping;
  int port = 0;
  std::atomic<bool> failed = false;
  bool stopped = false;
};

absl::Status SyncServer::Parts::OpenStore(const ServerConfig& config) {
  FS_ASSIGN_OR_RETURN(const std::string store, PrepareDataDirectory(config.data));
  FS_ASSIGN_OR_RETURN(data_directory, OpenDirectory(config.data));
  RocksDbOptions options;
  options.directory = store;
  for (const auto& [name, by_key] : MetadataTables()) {
    options.tables.push_back({.name = name, .by_key = by_key});
  }
  PackChunkStoreOptions chunk_options;
  chunk_options.directory = config.data + "/packs";
  chunk_options.chunks = static_cast<KvTable>(options.tables.size());
  options.tables.push_back({"chunks", /*large_values=*/true, /*by_key=*/true});
  chunk_options.packs = static_cast<KvTable>(options.tables.size());
  options.tables.push_back({"packs", /*large_values=*/false});
  FS_ASSIGN_OR_RETURN(kv, OpenRocksDbStore(options));
  MetadataOptions metadata_options;
  metadata_options.directory = config.data;
  FS_ASSIGN_OR_RETURN(metadata, OpenMetadataStore(kv.get(), clock, metadata_options));
  FS_ASSIGN_OR_RETURN(std::unique_ptr<ChunkStore> packs,
                      OpenPackChunkStore(kv.get(), chunk_options));
  reserve =
      std::make_unique<SpaceReserve>([this] { return MeasureDisk(data_directory.get()); }, log);
  chunks = NewVerifyingChunkStore(NewReservingChunkStore(
      NewRecentChunkStore(std::move(packs), kRecentChunkBytes), reserve.get()));
  metadata->OnPublished([this](FolderId folder, uint64_t head) { hub.Published(folder, head); });
  return absl::OkStatus();
}

void SyncServer::Parts::MakeServices() {
  const int threads = std::max(2, static_cast<int>(std::thread::hardware_concurrency()));
  sync_pool = std::make_unique<ThreadPool>("sync", threads);
  chunk_pool = std::make_unique<ThreadPool>("chunk", threads);
  pulse = std::make_unique<Pulse>(std::vector<Executor*>{sync_pool.get(), chunk_pool.get()});
  staged = std::make_unique<StagedBytes>(clock, [this] { return reserve->FreeBytes(); });
  sync_metrics = std::make_unique<SyncMetrics>(registry);
  chunk_metrics = std::make_unique<ChunkMetrics>(registry);
  agents = std::make_unique<AgentRegistry>(
      AgentRegistryDependencies{metadata.get(), &sessions, &conflicts, clock, log});
  sync = std::make_unique<SyncService>(
      SyncDependencies{.metadata = metadata.get(),
                       .chunks = chunks.get(),
                       .reserve = reserve.get(),
                       .hub = &hub,
                       .sessions = &sessions,
                       .agents = agents.get(),
                       .conflicts = &conflicts,
                       .executor = sync_pool.get(),
                       .clock = clock,
                       .log = log,
                       .metrics = sync_metrics.get(),
                       .committed = [this](FolderId folder, const std::string& agent) {
                         staged->Reset(folder, agent);
                       }});
  chunk = std::make_unique<ChunkService>(ChunkDependencies{.metadata = metadata.get(),
                                                           .chunks = chunks.get(),
                                                           .staged = staged.get(),
                                                           .executor = chunk_pool.get(),
                                                           .log = log,
                                                           .metrics = chunk_metrics.get(),
                                                           .upcoming = TellOthers()});
  admin = std::make_unique<AdminService>(AdminDependencies{.metadata = metadata.get(),
                                                           .hub = &hub,
                                                           .sessions = &sessions,
                                                           .agents = agents.get(),
                                                           .conflicts = &conflicts,
                                                           .executor = sync_pool.get(),
                                                           .clock = clock,
                                                           .log = log,
                                                           .version = kVersion});
  health = std::make_unique<HealthService>(std::vector<std::string>{
      v1::SyncService::service_full_name(), v1::ChunkService::service_full_name(),
      v1::AdminService::service_full_name()});
  RegisterServerMetrics(registry,
                        ServerFigures{kv.get(), metadata.get(), &sessions, reserve.get()});
}

std::function<void(FolderId, const std::string&, const UpcomingPart&)>
SyncServer::Parts::TellOthers() {
  return [this](FolderId folder, const std::string& agent_id, const UpcomingPart& part) {
    v1::UpcomingContent upcoming;
    upcoming.set_agent_id(agent_id);
    ToProto(part, upcoming.mutable_part());
    sessions.TellUpcoming(folder, std::move(upcoming));
  };
}

absl::Status SyncServer::Parts::Listen(const ServerConfig& config) {
  grpc::EnableDefaultHealthCheckService(false);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::channelz::experimental::InitChannelzService();
  grpc::ServerBuilder builder;
  ApplyServerSettings(builder);
  AddListeningPort(builder, config.listen, &port);
  grpc::ResourceQuota quota("syncd");
  builder.SetResourceQuota(quota.Resize(kGrpcMemoryBytes));
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, kPollingThreads);
  builder.RegisterService(sync.get());
  builder.RegisterService(chunk.get());
  builder.RegisterService(admin.get());
  builder.RegisterService(health.get());
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<CallMetrics>(&registry, calls));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return Unavailable(
        "cannot listen on {}: the address is in use or not this host's; choose another with "
        "--listen",
        config.listen.ToString());
  }
  return absl::OkStatus();
}

absl::Status SyncServer::Parts::ListenHttp(const ServerConfig& config) {
  if (!config.http.has_value()) return absl::OkStatus();
  FS_ASSIGN_OR_RETURN(
      http, HttpServer::Start(*config.http, {.metrics = [this] { return registry.Serialize(); },
                                             .healthy = [this] { return kv->Health().ok(); },
                                             .ready = [this] { return health->serving(); }}));
  return absl::OkStatus();
}

void SyncServer::Parts::KeepHouse(const ServerConfig& config) {
  const absl::Duration most = config.forget_agents_after;
  if (most == absl::InfiniteDuration()) return;
  housekeeping = std::make_unique<Housekeeping>(
      std::clamp(most / 10, kShortestAging, kLongestAging),
      [this, most](absl::Duration elapsed) { agents->Age(elapsed, most); });
}

absl::Status SyncServer::Parts::Health() {
  absl::Status status = kv->Health();
  if (!status.ok() && !failed.exchange(true)) {
    health->SetServing(false);
    log->Error("the store has failed, nothing is accepted any more: {}", Describe(status));
  }
  return status;
}

absl::Status SyncServer::Parts::Stop(absl::Duration spread, absl::Duration grace) {
  if (std::exchange(stopped, true)) return absl::OkStatus();
  const bool served = server != nullptr;
  if (served) {
    health->SetServing(false);
    log->Info("stopping: {} agents are told to come back", sessions.Count());
    sync->Drain(spread);
    chunk->Drain();
    admin->Drain();
    health->Shutdown();
    const absl::Time deadline = absl::Now() + grace;
    while (*calls > 0 && absl::Now() < deadline) absl::SleepFor(kStopPoll);
    // Cancels the calls that are left, and closes connections: a peer that has no call under way
    // may take seconds to notice that it is to do so.
    server->Shutdown(absl::ToChronoTime(absl::Now() + std::min(grace, kFarewell)));
  }
  // First who asks the services, then the threads that work for them, then the store.
  http.reset();
  housekeeping.reset();
  server.reset();
  chunk_pool.reset();
  sync_pool.reset();
  if (metadata == nullptr) return absl::OkStatus();
  absl::Status closed = kv->Health();
  if (closed.ok()) closed = metadata->CloseCleanly();
  if (closed.ok()) {
    if (served) log->Info("stopped");
  } else {
    log->Error("stopped, but not cleanly: {}", Describe(closed));
  }
  return closed;
}

SyncServer::SyncServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

SyncServer::~SyncServer() { (void)parts_->Stop(absl::ZeroDuration(), absl::ZeroDuration()); }

absl::StatusOr<std::unique_ptr<SyncServer>> SyncServer::Start(const ServerConfig& config,
                                                              const Clock* clock, Logger* log) {
  std::unique_ptr<SyncServer> result(new SyncServer(std::make_unique<Parts>(clock, log)));
  Parts& parts = *result->parts_;
  FS_RETURN_IF_ERROR(parts.OpenStore(config));
  parts.MakeServices();
  FS_RETURN_IF_ERROR(parts.ListenHttp(config));
  FS_RETURN_IF_ERROR(parts.Listen(config));
  parts.KeepHouse(config);
  parts.health->SetServing(true);
  log->Info("syncd {} serves {} from {} (server {}, incarnation {})", kVersion,
            Endpoint{config.listen.host, parts.port}.ToString(), config.data,
            HexEncode(parts.metadata->ServerId()),
            HexEncode(parts.metadata->Incarnations().back().id));
  if (!IsLoopback(config.listen.host)) {
    log->Warn(
        "{} can be reached by other hosts, and connections are neither encrypted nor "
        "authenticated: use a trusted network only",
        config.listen.ToString());
  }
  if (parts.http != nullptr) {
    log->Info("metrics and health on http://{}/metrics",
              Endpoint{config.http->host, parts.http->port()}.ToString());
  }
  return result;
}

int SyncServer::port() const { return parts_->port; }

int SyncServer::http_port() const { return parts_->http != nullptr ? parts_->http->port() : 0; }

absl::Status SyncServer::Health() { return parts_->Health(); }

bool SyncServer::Alive() { return parts_->pulse->Beat(); }

absl::Status SyncServer::Stop(absl::Duration spread, absl::Duration grace) {
  return parts_->Stop(spread, grace);
}

}  // namespace filesync
