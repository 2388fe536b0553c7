#include "agent/cli/options.h"
#include "agent/cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "agent/cli/setting_reader.h"
#include "agent/cli/trash_options.h"
#include "agent/hooks/hook_command.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/paths/rel_path.h"
#include "libs/wire/channel.h"
#include "libs/wire/convert.h"

namespace filesync {
namespace {

constexpr size_t kLongestName = 64;
constexpr int kHighestCompression = 19;
constexpr double kLongestHook = 24 * 3600;
constexpr int kMostTransfers = 1000;

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0' ? name : "agent";
}

// A directory as the shell would understand it, counted from where it was written.
std::string ExpandDirectory(const Setting& setting, const std::string& config_path) {
  const std::string& text = setting.texts.front();
  if (text.starts_with("~/") || text == "~") {
    const char* home = std::getenv("HOME");
    return home == nullptr ? text : home + text.substr(1);
  }
  const bool in_config = !config_path.empty() && setting.where.starts_with(config_path + ":");
  const size_t slash = config_path.rfind('/');
  if (!in_config || text.starts_with('/') || slash == std::string::npos) return text;
  return config_path.substr(0, slash + 1) + text;
}

// The same directory, whatever it is called.
bool SameDirectory(const std::string& a, const std::string& b) {
  const absl::StatusOr<std::string> one = CanonicalPath(a);
  const absl::StatusOr<std::string> two = CanonicalPath(b);
  return one.ok() && two.ok() ? *one == *two : a == b;
}

absl::Status CheckDistinct(const std::vector<ConfiguredLocation>& locations) {
  for (size_t i = 0; i < locations.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (!SameDirectory(locations[i].directory, locations[j].directory)) continue;
      return InvalidArgument("{} is configured twice, for the folders {} and {}",
                             locations[i].directory, locations[j].folder, locations[i].folder);
    }
  }
  return absl::OkStatus();
}

const FolderTable* FindTable(const Sources& sources, const std::string& directory) {
  for (const FolderTable& table : sources.file.folders) {
    const Setting& said = table.values.at("directory");
    if (SameDirectory(ExpandDirectory(said, sources.config_path), directory)) return &table;
  }
  return nullptr;
}

absl::StatusOr<RelPath> ParseSubtree(std::string text) {
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  if (text.starts_with("./")) text.erase(0, 2);
  absl::StatusOr<RelPath> path = RelPath::Parse(text);
  if (path.ok() && !path->IsRoot()) return path;
  return InvalidArgument("expected the path of a subtree, counted from DIR: {}",
                         path.ok() ? "it is empty" : ToStd(path.status().message()));
}

absl::StatusOr<std::vector<RelPath>> ReadSubtrees(const SettingReader& reader,
                                                  std::string_view name) {
  std::vector<RelPath> subtrees;
  absl::Status read = reader.Each(name, [&](std::string text) -> absl::Status {
    FS_ASSIGN_OR_RETURN(RelPath path, ParseSubtree(std::move(text)));
    subtrees.push_back(std::move(path));
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return subtrees;
}

absl::Status ReadFilters(const SettingReader& reader, FilterOptions& filters) {
  std::string lines;
  FS_RETURN_IF_ERROR(reader.Each("ignore", [&](const std::string& pattern) -> absl::Status {
    if (pattern.find('\n') != std::string::npos) {
      return InvalidArgument("expected a pattern without a line break");
    }
    lines += pattern + "\n";
    return absl::OkStatus();
  }));
  FS_ASSIGN_OR_RETURN(IgnoreFile patterns,
                      IgnoreFile::Parse(IgnoreSource::kCommandLine, RelPath(), "--ignore", lines));
  filters.rules.Set(std::move(patterns));
  FS_ASSIGN_OR_RETURN(std::vector<RelPath> includes, ReadSubtrees(reader, "include"));
  FS_ASSIGN_OR_RETURN(std::vector<RelPath> excludes, ReadSubtrees(reader, "exclude"));
  filters.rules.Narrow(std::move(includes), std::move(excludes));
  filters.use_gitignore = reader.Switch("use-gitignore");
  return absl::OkStatus();
}

absl::Status ReadMode(const SettingReader& reader, Mode& mode) {
  return reader.Each("mode", [&](const std::string& text) -> absl::Status {
    const std::optional<Mode> parsed = ParseMode(text);
    if (!parsed.has_value()) {
      return InvalidArgument(
          "expected two-way, source-to-destination, source-backup, destination-to-source or "
          "destination-backup");
    }
    mode = *parsed;
    return absl::OkStatus();
  });
}

absl::Status ReadFirstSync(const SettingReader& reader, LocationSyncOptions& options) {
  return reader.Each("first-sync", [&](const std::string& text) -> absl::Status {
    const std::optional<Winner> winner = ParseFirstSync(text);
    if (!winner.has_value()) return InvalidArgument("expected merge, local-wins or remote-wins");
    options.first_sync = *winner;
    if (*winner == Winner::kNone || options.mode == Mode::kTwoWay) return absl::OkStatus();
    return InvalidArgument("in mode {} the mode says who wins; use --mode two-way",
                           ModeName(options.mode));
  });
}

absl::Status ReadCompare(const SettingReader& reader, CompareBy& compare) {
  return reader.Each("compare", [&](const std::string& text) -> absl::Status {
    const std::optional<CompareBy> parsed = ParseCompare(text);
    if (!parsed.has_value()) {
      return InvalidArgument("expected quick, hash, size, mtime or size-mtime");
    }
    compare = *parsed;
    return absl::OkStatus();
  });
}

// All values of the settings that an engine can be told while it runs, or of the others.
std::string Digest(const SettingReader& reader, bool live) {
  std::string digest;
  for (const OptionDefinition& option : Settings()) {
    if (!option.per_folder || option.live != live) continue;
    for (const std::string& text : reader.Get(option.name).texts) {
      digest += fmt::format("{}={}\n", option.name, text);
    }
  }
  return digest;
}

absl::StatusOr<LocationPlan> ReadLocation(const Sources& sources,
                                          const ConfiguredLocation& location,
                                          const AgentOptions& agent) {
  const SettingReader reader(sources, location.table, location.remembered);
  LocationPlan plan;
  LocationSyncOptions& options = plan.options;
  options.directory = location.directory;
  options.folder = location.folder;
  options.agent_name = agent.name;
  options.server = reader.Text("server");
  const char* const setting = reader.Get("sync").texts.empty() ? "folder" : "sync";
  FS_RETURN_IF_ERROR(reader.Each(setting, [&](const std::string&) {
    return ValidateReadableName(location.folder, kMaxFolderNameBytes, "folder name");
  }));
  FS_RETURN_IF_ERROR(ReadMode(reader, options.mode));
  FS_RETURN_IF_ERROR(ReadFirstSync(reader, options));
  FS_RETURN_IF_ERROR(ReadCompare(reader, options.compare));
  FS_RETURN_IF_ERROR(
      reader.Each("conflict", [&](const std::string& text) { return options.policies.Add(text); }));
  FS_RETURN_IF_ERROR(ReadFilters(reader, options.filters));
  FS_RETURN_IF_ERROR(reader.Parse("max-delete", BrakeLimit::Parse, options.max_delete));
  FS_RETURN_IF_ERROR(reader.Parse("preserve", Preserve::Parse, options.preserve));
  options.allow_shared_root = reader.Switch("allow-shared-root");
  FS_RETURN_IF_ERROR(reader.Parse("trash-days", ParseTrashDays, options.trash.age));
  FS_RETURN_IF_ERROR(reader.Parse("trash-size", ParseTrashSize, options.trash.bytes));
  FS_RETURN_IF_ERROR(reader.Each("compression", [&](const std::string& text) -> absl::Status {
    if (text == "off") {
      options.compression.zstd_level = 0;
      return absl::OkStatus();
    }
    FS_ASSIGN_OR_RETURN(const int level, ParseNumber(text, 1, kHighestCompression));
    options.compression.zstd_level = level;
    return absl::OkStatus();
  }));
  FS_RETURN_IF_ERROR(reader.Each("priority", [&](const std::string& text) -> absl::Status {
    constexpr std::string_view kNames[] = {"high", "normal", "low"};
    const auto* const found = std::find(std::begin(kNames), std::end(kNames), text);
    if (found == std::end(kNames)) return InvalidArgument("expected high, normal or low");
    options.priority = static_cast<FolderPriority>(found - std::begin(kNames));
    return absl::OkStatus();
  }));
  plan.identity = fmt::format("{}\n{}\n{}\n{}\n{}", options.server, agent.name, location.folder,
                              location.directory, Digest(reader, /*live=*/false));
  plan.live = Digest(reader, /*live=*/true);
  return plan;
}

absl::Status ReadHooks(const SettingReader& reader, HookOptions& hooks) {
  auto read = [&reader](const char* name, std::vector<std::string>& command) {
    return reader.Each(name, [&command](const std::string& text) -> absl::Status {
      FS_ASSIGN_OR_RETURN(command, ParseHookCommand(text));
      return absl::OkStatus();
    });
  };
  FS_RETURN_IF_ERROR(read("on-synced", hooks.on_synced));
  FS_RETURN_IF_ERROR(read("on-conflict", hooks.on_conflict));
  FS_RETURN_IF_ERROR(read("on-error", hooks.on_error));
  return reader.Each("hook-timeout", [&hooks](const std::string& text) -> absl::Status {
    double seconds = 0;
    if (!absl::SimpleAtod(text, &seconds) || !(seconds > 0) || !(seconds <= kLongestHook)) {
      return InvalidArgument("expected a number of seconds above 0, at most a day");
    }
    hooks.time_limit = absl::Seconds(seconds);
    return absl::OkStatus();
  });
}

absl::Status ReadProcess(const SettingReader& reader, AgentOptions& options) {
  options.server = reader.Text("server");
  FS_RETURN_IF_ERROR(
      reader.Each("server", [](const std::string& text) { return ParseEndpoint(text).status(); }));
  options.http = reader.Text("http");
  FS_RETURN_IF_ERROR(reader.Each("http", [](const std::string& text) -> absl::Status {
    return text == "off" ? absl::OkStatus() : ParseEndpoint(text, true).status();
  }));
  FS_RETURN_IF_ERROR(reader.Each("log-level", [&](const std::string& text) -> absl::Status {
    if (ParseLogLevel(text, options.log_level)) return absl::OkStatus();
    return InvalidArgument("expected debug, info, warn, error or off");
  }));
  FS_RETURN_IF_ERROR(reader.Each("schedule", [&](const std::string& text) -> absl::Status {
    options.schedule_text = text;
    FS_ASSIGN_OR_RETURN(options.schedule, CronSchedule::Parse(text));
    return absl::OkStatus();
  }));
  FS_RETURN_IF_ERROR(ReadHooks(reader, options.hooks));
  FS_RETURN_IF_ERROR(reader.Parse("limit-up", RateTimetable::Parse, options.limit_up));
  FS_RETURN_IF_ERROR(reader.Parse("limit-down", RateTimetable::Parse, options.limit_down));
  FS_RETURN_IF_ERROR(reader.Each("transfers", [&](const std::string& text) -> absl::Status {
    FS_ASSIGN_OR_RETURN(options.transfers, ParseNumber(text, 1, kMostTransfers));
    return absl::OkStatus();
  }));
  options.name = HostName().substr(0, kLongestName);
  return reader.Each("name", [&](const std::string& text) -> absl::Status {
    options.name = text;
    const bool fits = !text.empty() && text.size() <= kLongestName;
    if (fits && EscapeForPeople(text) == text) return absl::OkStatus();
    return InvalidArgument("expected 1 to {} bytes of printable UTF-8", kLongestName);
  });
}

}  // namespace

absl::StatusOr<std::vector<ConfiguredLocation>> FindLocations(const Sources& sources) {
  const SettingReader reader(sources, nullptr);
  std::vector<ConfiguredLocation> found;
  FS_RETURN_IF_ERROR(reader.Each("directory", [](const std::string& text) -> absl::Status {
    return text.empty() ? InvalidArgument("expected a directory") : absl::OkStatus();
  }));
  auto add_table = [&](std::string directory, const FolderTable* table) {
    const auto state = sources.remembered.find(directory);
    const Layer* remembered = state == sources.remembered.end() ? nullptr : &state->second;
    const SettingReader own(sources, table, remembered);
    const bool said = SettingReader(sources, table).Get("folder").where != kDefaultWhere;
    found.push_back({own.Text("folder"), std::move(directory), table, remembered, said});
  };
  auto add = [&](std::string directory, const std::string* folder) {
    const FolderTable* table = FindTable(sources, directory);
    add_table(std::move(directory), table);
    if (folder == nullptr) return;
    found.back().folder = *folder;
    found.back().folder_said = true;
  };
  FS_RETURN_IF_ERROR(reader.Each("sync", [&](const std::string& pair) -> absl::Status {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == pair.size()) {
      return InvalidArgument("expected FOLDER=DIR");
    }
    const std::string folder = pair.substr(0, equals);
    Setting directory{{pair.substr(equals + 1)}, reader.Get("sync").where};
    add(ExpandDirectory(directory, sources.config_path), &folder);
    return absl::OkStatus();
  }));
  const Setting directory = reader.Get("directory");
  if (!directory.texts.empty()) add(ExpandDirectory(directory, sources.config_path), nullptr);
  if (found.empty()) {
    const bool one_name = sources.flags.contains("folder") ||
                          sources.environment.contains("folder") ||
                          sources.env_file.contains("folder");
    if (one_name && sources.file.folders.size() > 1) {
      return InvalidArgument(
          "{}: one folder for several directories; say for which: syncagent --folder {} DIR",
          reader.Get("folder").where, reader.Text("folder"));
    }
    for (const FolderTable& table : sources.file.folders) {
      add_table(ExpandDirectory(table.values.at("directory"), sources.config_path), &table);
    }
  }
  FS_RETURN_IF_ERROR(CheckDistinct(found));
  if (found.empty()) {
    return NotFound("no directory is given; say which: syncagent --server {} DIR",
                    reader.Text("server"));
  }
  return found;
}

absl::StatusOr<AgentOptions> CheckOptions(const Sources& sources) {
  AgentOptions options;
  FS_ASSIGN_OR_RETURN(const std::vector<ConfiguredLocation> locations, FindLocations(sources));
  // What is not each directory's own may be remembered by the only one.
  const Layer* remembered = locations.size() == 1 ? locations.front().remembered : nullptr;
  FS_RETURN_IF_ERROR(ReadProcess(SettingReader(sources, nullptr, remembered), options));
  for (const ConfiguredLocation& location : locations) {
    FS_ASSIGN_OR_RETURN(LocationPlan plan, ReadLocation(sources, location, options));
    options.locations.push_back(std::move(plan));
  }
  return options;
}

absl::Status CheckWithoutLocations(const Sources& sources) {
  AgentOptions options;
  FS_RETURN_IF_ERROR(ReadProcess(SettingReader(sources, nullptr), options));
  return ReadLocation(sources, {.folder = "default", .directory = "."}, options).status();
}

absl::StatusOr<AgentOptions> ReadOptions(const Layer& flags, Sources& sources,
                                         Rebinding* rebinding) {
  FS_ASSIGN_OR_RETURN(sources, ReadSourcesAndBindings(flags, rebinding));
  FS_ASSIGN_OR_RETURN(AgentOptions options, CheckOptions(sources));
  for (const std::string& warning : sources.warnings) {
    Output(stderr, "syncagent: {}\n", warning);
  }
  return options;
}

namespace {

absl::Status NarrowTo(const std::string& subtree, AgentOptions& options) {
  if (options.locations.size() != 1) {
    return InvalidArgument(
        "--path: several directories are configured; say in which it lies: "
        "syncagent sync --path SUBTREE DIR");
  }
  absl::StatusOr<RelPath> path = ParseSubtree(subtree);
  if (!path.ok()) return Annotate(path.status(), "--path");
  LocationSyncOptions& location = options.locations.front().options;
  location.only = *std::move(path);
  location.with_subtree = true;
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadOwnFlags(const CommandFlags& flags, AgentOptions& options) {
  const bool upload = flags.contains("force-upload");
  const bool download = flags.contains("force-download");
  if (upload && download) {
    return InvalidArgument("--force-upload and --force-download: only one side can win");
  }
  const auto part = flags.find("path");
  if (part != flags.end()) {
    if (upload || download) {
      return InvalidArgument("--path: the side that wins by force wins all of DIR; leave one out");
    }
    FS_RETURN_IF_ERROR(NarrowTo(part->second.back(), options));
  }
  for (LocationPlan& plan : options.locations) {
    if (flags.contains("force")) plan.options.max_delete = *BrakeLimit::Parse("off");
    if (upload) plan.options.force = Winner::kLocal;
    if (download) plan.options.force = Winner::kRemote;
    plan.options.losses_agreed = flags.contains("yes");
  }
  return absl::OkStatus();
}

void MakeOneShot(AgentOptions& options, bool full) {
  for (LocationPlan& plan : options.locations) {
    plan.options.ignore_pause = true;
    plan.options.step_by_step = true;
    plan.options.read_all = full;
  }
}

}  // namespace filesync
