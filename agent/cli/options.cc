#include "agent/cli/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "agent/cli/exit_code.h"
#include "libs/base/status.h"
#include "libs/paths/rel_path.h"
#include "libs/wire/channel.h"

namespace filesync {
namespace {

constexpr char kDescription[] =
    "Keeps a directory identical on all hosts that share it, through a syncd server.\n"
    "\n"
    "  syncagent --server host:50051 ./dir          run until stopped\n"
    "  syncagent sync --server host:50051 ./dir     bring it in sync once\n"
    "  syncagent status ./dir                       how it stands\n"
    "  syncagent pause ./dir                        stop for a while; resume goes on\n";
constexpr char kDefaultServer[] = "127.0.0.1:50051";
constexpr char kDefaultFolder[] = "default";

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0' ? name : "agent";
}

struct Raw {
  std::string directory;
  std::string folder = kDefaultFolder;
  std::vector<std::string> pairs;
  std::string mode = "two-way";
  std::vector<std::string> conflict;
  std::vector<std::string> ignore;
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  std::string max_delete = "50%";
  std::string schedule;
  std::string limit_up;
  std::string limit_down;
  std::string log_level = "info";
};

void AddFilterOptions(CLI::App* app, AgentOptions& options, Raw& raw) {
  app->add_option("--ignore", raw.ignore, "PATTERN as in .syncignore, any number of times")
      ->envname("SYNCAGENT_IGNORE")
      ->allow_extra_args(false);
  app->add_flag("--use-gitignore", options.filters.use_gitignore, "Honour .gitignore files as well")
      ->envname("SYNCAGENT_USE_GITIGNORE");
  app->add_option("--include", raw.include, "SUBTREE: sync nothing but this; repeatable")
      ->envname("SYNCAGENT_INCLUDE")
      ->allow_extra_args(false);
  app->add_option("--exclude", raw.exclude, "SUBTREE: do not sync this; repeatable")
      ->envname("SYNCAGENT_EXCLUDE")
      ->allow_extra_args(false);
}

void AddSyncOptions(CLI::App* app, AgentOptions& options, Raw& raw) {
  app->add_option("-s,--server", options.server, "The server, HOST:PORT")
      ->envname("SYNCAGENT_SERVER")
      ->capture_default_str();
  app->add_option("-f,--folder", raw.folder, "The folder that DIR is kept in step with")
      ->envname("SYNCAGENT_FOLDER")
      ->capture_default_str();
  app->add_option("-n,--name", options.name, "What this agent is called (default: the host's name)")
      ->envname("SYNCAGENT_NAME");
  app->add_option("--sync", raw.pairs, "FOLDER=DIR, any number of times, instead of DIR")
      ->allow_extra_args(false);
  app->add_option("-m,--mode", raw.mode,
                  "two-way, source-to-destination, source-backup, destination-to-source or\n"
                  "destination-backup (tw, std, sb, dts, db); the source is DIR, the\n"
                  "destination the folder")
      ->envname("SYNCAGENT_MODE")
      ->capture_default_str();
  app->add_option("--conflict", raw.conflict,
                  "[PATTERN=]POLICY, any number of times: newest, keep-local, keep-remote,\n"
                  "keep-both or manual (default: keep-both)")
      ->envname("SYNCAGENT_CONFLICT")
      ->allow_extra_args(false);
  AddFilterOptions(app, options, raw);
  app->add_option("--max-delete", raw.max_delete,
                  "Hold deletions of more than this until confirmed: a part of the folder, a\n"
                  "number of entries, or off")
      ->envname("SYNCAGENT_MAX_DELETE")
      ->capture_default_str();
  app->add_option("--schedule", raw.schedule,
                  "When to sync, as cron's five fields: '*/15 9-18 * * mon-fri', or @hourly,\n"
                  "@daily, ... (default: all the time)")
      ->envname("SYNCAGENT_SCHEDULE");
  app->add_option("--limit-up", raw.limit_up,
                  "Bytes per second to send: 10M, or a timetable: '08:00 512k, 19:00 off'")
      ->envname("SYNCAGENT_LIMIT_UP");
  app->add_option("--limit-down", raw.limit_down, "The same for receiving")
      ->envname("SYNCAGENT_LIMIT_DOWN");
  app->add_option("--http", options.http, "ADDR:PORT for /metrics and /healthz, or off")
      ->envname("SYNCAGENT_HTTP")
      ->capture_default_str();
  app->add_option("--log-level", raw.log_level, "debug, info, warn, error or off")
      ->envname("SYNCAGENT_LOG_LEVEL")
      ->capture_default_str();
  app->add_option("DIR", raw.directory, "The directory");
}

absl::Status AddLocations(const Raw& raw, AgentOptions& options) {
  for (const std::string& pair : raw.pairs) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == pair.size()) {
      return InvalidArgument("--sync {}: expected FOLDER=DIR", EscapeForPeople(pair));
    }
    options.locations.push_back({pair.substr(0, equals), pair.substr(equals + 1)});
  }
  if (!raw.directory.empty()) options.locations.push_back({raw.folder, raw.directory});
  if (options.locations.empty()) {
    return InvalidArgument("no directory is given; say which: syncagent --server {} DIR",
                           options.server);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<RelPath>> ParseSubtrees(const char* option,
                                                   const std::vector<std::string>& texts) {
  std::vector<RelPath> subtrees;
  for (std::string text : texts) {
    while (text.size() > 1 && text.back() == '/') text.pop_back();
    if (text.starts_with("./")) text.erase(0, 2);
    absl::StatusOr<RelPath> path = RelPath::Parse(text);
    if (!path.ok() || path->IsRoot()) {
      return InvalidArgument("{} {}: expected the path of a subtree, counted from DIR: {}", option,
                             EscapeForPeople(text),
                             path.ok() ? "it is empty" : ToStd(path.status().message()));
    }
    subtrees.push_back(*std::move(path));
  }
  return subtrees;
}

absl::Status CheckFilters(const Raw& raw, AgentOptions& options) {
  std::string lines;
  for (const std::string& pattern : raw.ignore) {
    if (pattern.find('\n') != std::string::npos) {
      return InvalidArgument("--ignore: a pattern has no line break");
    }
    lines += pattern + "\n";
  }
  FS_ASSIGN_OR_RETURN(IgnoreFile patterns,
                      IgnoreFile::Parse(IgnoreSource::kCommandLine, RelPath(), "--ignore", lines));
  options.filters.rules.Set(std::move(patterns));
  FS_ASSIGN_OR_RETURN(std::vector<RelPath> includes, ParseSubtrees("--include", raw.include));
  FS_ASSIGN_OR_RETURN(std::vector<RelPath> excludes, ParseSubtrees("--exclude", raw.exclude));
  options.filters.rules.Narrow(std::move(includes), std::move(excludes));
  return absl::OkStatus();
}

absl::Status CheckLimit(const char* option, const std::string& text, RateTimetable& timetable) {
  if (text.empty()) return absl::OkStatus();
  absl::StatusOr<RateTimetable> parsed = RateTimetable::Parse(text);
  if (!parsed.ok()) {
    return Annotate(parsed.status(), fmt::format("{} {}", option, EscapeForPeople(text)));
  }
  timetable = *std::move(parsed);
  return absl::OkStatus();
}

absl::Status Check(const Raw& raw, AgentOptions& options) {
  FS_RETURN_IF_ERROR(AddLocations(raw, options));
  if (options.command != Command::kRun && options.command != Command::kSync) {
    return absl::OkStatus();
  }
  FS_RETURN_IF_ERROR(Annotate(ParseEndpoint(options.server).status(), "--server"));
  if (options.http != "off") {
    FS_RETURN_IF_ERROR(Annotate(ParseEndpoint(options.http, true).status(), "--http"));
  }
  if (!ParseLogLevel(raw.log_level, options.log_level)) {
    return InvalidArgument("--log-level {}: expected debug, info, warn, error or off",
                           EscapeForPeople(raw.log_level));
  }
  const std::optional<Mode> mode = ParseMode(raw.mode);
  if (!mode.has_value()) {
    return InvalidArgument(
        "--mode {}: expected two-way, source-to-destination, source-backup, "
        "destination-to-source or destination-backup",
        EscapeForPeople(raw.mode));
  }
  options.mode = *mode;
  for (const std::string& text : raw.conflict) {
    FS_RETURN_IF_ERROR(
        Annotate(options.policies.Add(text), fmt::format("--conflict {}", EscapeForPeople(text))));
  }
  FS_RETURN_IF_ERROR(CheckFilters(raw, options));
  if (!raw.schedule.empty()) {
    absl::StatusOr<CronSchedule> schedule = CronSchedule::Parse(raw.schedule);
    if (!schedule.ok()) {
      return Annotate(schedule.status(),
                      fmt::format("--schedule {}", EscapeForPeople(raw.schedule)));
    }
    options.schedule = *std::move(schedule);
  }
  absl::StatusOr<BrakeLimit> max_delete = BrakeLimit::Parse(raw.max_delete);
  FS_RETURN_IF_ERROR(Annotate(max_delete.status(), "--max-delete"));
  options.max_delete = *max_delete;
  FS_RETURN_IF_ERROR(CheckLimit("--limit-up", raw.limit_up, options.limit_up));
  FS_RETURN_IF_ERROR(CheckLimit("--limit-down", raw.limit_down, options.limit_down));
  if (options.name.empty()) options.name = HostName().substr(0, 64);
  if (options.name.size() > 64 || EscapeForPeople(options.name) != options.name) {
    return InvalidArgument("--name: expected 1 to 64 bytes of printable UTF-8");
  }
  return absl::OkStatus();
}

}  // namespace

ParsedOptions ParseOptions(int argc, char** argv) {
  ParsedOptions parsed;
  AgentOptions& options = parsed.options;
  options.server = kDefaultServer;
  options.http = "off";
  Raw raw;
  CLI::App app(kDescription, "syncagent");
  app.set_version_flag("--version", "syncagent 0.1.0");
  CLI::App* run = app.add_subcommand("run", "Run until stopped (what happens without a command)");
  CLI::App* sync = app.add_subcommand("sync", "Bring the directory in sync once, then exit");
  CLI::App* status = app.add_subcommand("status", "Tell how a directory stands");
  AddSyncOptions(&app, options, raw);
  AddSyncOptions(run, options, raw);
  AddSyncOptions(sync, options, raw);
  status->add_flag("--json", options.json, "As protobuf JSON");
  status->add_option("DIR", raw.directory, "The directory")->required();
  CLI::App* pause = app.add_subcommand("pause", "Stop syncing a directory until it is resumed");
  CLI::App* resume = app.add_subcommand("resume", "Go on syncing a paused directory");
  CLI::App* confirm = app.add_subcommand("confirm", "Pass on the deletions that are held");
  CLI::App* undo = app.add_subcommand("undo", "Bring back what the held deletions took");
  CLI::App* wait = app.add_subcommand("wait", "Wait until a directory is in sync");
  double timeout = 0;
  wait->add_option("--timeout", timeout, "Seconds to wait at most (default: for ever)")
      ->check(CLI::PositiveNumber);
  CLI::App* ignore = app.add_subcommand("ignore", "Ask about ignore rules");
  CLI::App* ignore_test = ignore->add_subcommand("test", "Tell which rule decides about a path");
  ignore->require_subcommand(1);
  ignore_test->add_flag("--json", options.json, "As protobuf JSON");
  ignore_test->add_option("PATH", raw.directory, "A path; it need not exist")->required();
  CLI::App* conflicts = app.add_subcommand("conflicts", "List the conflicts of DIR's folder");
  conflicts->add_flag("--json", options.json, "As protobuf JSON");
  conflicts->add_option("DIR", raw.directory, "The directory")->required();
  CLI::App* resolve = app.add_subcommand("resolve", "Settle the conflict at a path");
  resolve
      ->add_option("--keep", options.keep,
                   "local (what is here), remote (what the folder has) or both; of a conflict\n"
                   "copy: name (what stands under the name) or copy")
      ->required()
      ->check(CLI::IsMember({"local", "remote", "both", "name", "copy"}));
  resolve->add_option("PATH", raw.directory, "The path, or the conflict copy")->required();
  for (CLI::App* command : {pause, resume, confirm, undo, wait}) {
    command->add_option("DIR", raw.directory, "The directory")->required();
  }
  app.require_subcommand(0, 1);
  app.positionals_at_end(false);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version go to stdout and are no failure; everything else is wrong usage.
    const int code = app.exit(error);
    parsed.exit_code = code == 0 ? kExitInSync : kExitUsage;
    return parsed;
  }
  if (sync->parsed()) options.command = Command::kSync;
  if (status->parsed()) options.command = Command::kStatus;
  if (pause->parsed()) options.command = Command::kPause;
  if (resume->parsed()) options.command = Command::kResume;
  if (confirm->parsed()) options.command = Command::kConfirm;
  if (undo->parsed()) options.command = Command::kUndo;
  if (wait->parsed()) options.command = Command::kWait;
  if (ignore_test->parsed()) options.command = Command::kIgnoreTest;
  if (conflicts->parsed()) options.command = Command::kConflicts;
  if (resolve->parsed()) options.command = Command::kResolve;
  if (timeout > 0) options.timeout = absl::Seconds(timeout);
  if (absl::Status checked = Check(raw, options); !checked.ok()) {
    fmt::print(stderr, "syncagent: {}\nRun 'syncagent --help' for how to use it.\n",
               ToStd(checked.message()));
    parsed.exit_code = kExitUsage;
    return parsed;
  }
  parsed.run = true;
  return parsed;
}

}  // namespace filesync
