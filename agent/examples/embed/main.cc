// Syncs a directory once, from a program of one's own: embed HOST:PORT DIRECTORY [FOLDER]

#include <cstdio>

#include "agent/engine/sync_manager.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: embed HOST:PORT DIRECTORY [FOLDER]\n");
    return 2;
  }
  filesync::SyncManagerOptions options;
  options.server = argv[1];
  options.name = "embed";
  filesync::SyncLocation location;
  location.sync.directory = argv[2];
  if (argc > 3) location.sync.folder = argv[3];
  options.locations.push_back(location);

  filesync::SyncManagerCallbacks callbacks;
  callbacks.on_event = [](const filesync::LocationName&, const filesync::SyncEvent& event) {
    std::printf("synced %s\n", event.path.ForPeople().c_str());
  };
  callbacks.on_progress = [](const filesync::ProgressReport& report) {
    const filesync::SyncProgress& total = report.total;
    std::printf("%llu of %llu files, %llu of %llu bytes\n",
                static_cast<unsigned long long>(total.files_moved),
                static_cast<unsigned long long>(total.files_to_move),
                static_cast<unsigned long long>(total.bytes_moved),
                static_cast<unsigned long long>(total.bytes_to_move));
  };

  filesync::RealClock clock;
  filesync::Logger log(filesync::LogLevel::kWarn);
  auto manager =
      filesync::SyncManager::Create(std::move(options), std::move(callbacks), &clock, &log);
  if (!manager.ok()) {
    std::fprintf(stderr, "embed: %s\n", std::string(manager.status().message()).c_str());
    return 1;
  }
  bool in_sync = true;
  for (const auto& outcome : (*manager)->SyncAll(absl::Now() + absl::Minutes(10))) {
    std::printf("%s: %s\n", outcome.name.directory.c_str(), outcome.status.state_text.c_str());
    in_sync = in_sync && outcome.outcome == filesync::SyncOutcome::kInSync;
  }
  return in_sync ? 0 : 1;
}
