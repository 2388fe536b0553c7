#include "agent/config/option_table.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

using enum ValueKind;

constexpr std::string_view kModes =
    "two-way source-to-destination source-backup destination-to-source destination-backup";
constexpr std::string_view kPolicies = "newest keep-local keep-remote keep-both manual";
constexpr std::string_view kWinners = "merge local-wins remote-wins";
constexpr std::string_view kCompares = "quick hash size mtime size-mtime";
constexpr std::string_view kPriorities = "high normal low";
constexpr std::string_view kPreserve = "owner xattr owner,xattr";
constexpr std::string_view kLevels = "debug info warn error off";

constexpr OptionDefinition kSettings[] = {
    {.name = "server",
     .letter = 's',
     .value = "HOST:PORT",
     .summary = "the server",
     .fallback = "127.0.0.1:50051"},
    {.name = "folder",
     .letter = 'f',
     .value = "NAME",
     .summary = "the folder that hosts share",
     .fallback = "default",
     .per_folder = true},
    {.name = "directory",
     .value = "DIR",
     .kind = kDirectory,
     .summary = "the directory, also without the flag's name",
     .details = "A leading ~/ is the home directory. In a configuration file, a relative path is "
                "counted from the file's directory.",
     .per_folder = true},
    {.name = "sync",
     .value = "FOLDER=DIR",
     .summary = "instead of DIR, for several folders",
     .repeatable = true},
    {.name = "name",
     .letter = 'n',
     .value = "NAME",
     .summary = "what this agent is called (the host's name)"},
    {.name = "config",
     .letter = 'c',
     .value = "FILE",
     .kind = kFile,
     .summary = "configuration file, or none",
     .details = "Without it: $XDG_CONFIG_HOME/syncagent/config.toml (or "
                "~/.config/syncagent/config.toml), else /etc/syncagent/config.toml, if there is "
                "one."},
    {.name = "env-file",
     .value = "FILE",
     .kind = kFile,
     .summary = "file of environment variables, or none (.env)"},
    {.name = "mode",
     .letter = 'm',
     .value = "MODE",
     .kind = kChoice,
     .summary = "which way changes go",
     .details = "two-way, source-to-destination, source-backup, destination-to-source or "
                "destination-backup, in short tw, std, sb, dts, db. The source is DIR, the "
                "destination the folder. Mirrors (…-to-…) undo what is done on the other side; "
                "backups delete nothing.",
     .fallback = "two-way",
     .choices = kModes,
     .per_folder = true,
     .topic = Topic::kModes},
    {.name = "conflict",
     .value = "[PATTERN=]POLICY",
     .kind = kChoice,
     .summary = "who wins when both sides changed",
     .details = "keep-both, newest, keep-local, keep-remote or manual, for everything or for the "
                "paths that match PATTERN; the last pattern that matches decides.",
     .fallback = "keep-both",
     .choices = kPolicies,
     .repeatable = true,
     .per_folder = true,
     .live = true,
     .topic = Topic::kModes},
    {.name = "first-sync",
     .value = "HOW",
     .kind = kChoice,
     .summary = "who wins when both sides first meet",
     .details = "merge, local-wins or remote-wins. What that costs the other side is asked for at "
                "a terminal, and held for a confirmation elsewhere, unless --yes agrees. In "
                "two-way mode.",
     .fallback = "merge",
     .choices = kWinners,
     .per_folder = true,
     .topic = Topic::kModes},
    {.name = "ignore",
     .letter = 'i',
     .value = "PATTERN",
     .summary = "not synced, as a line of .syncignore",
     .repeatable = true,
     .per_folder = true,
     .live = true,
     .topic = Topic::kFilters},
    {.name = "use-gitignore",
     .kind = kSwitch,
     .summary = "honour .gitignore files as well",
     .per_folder = true,
     .live = true,
     .topic = Topic::kFilters},
    {.name = "include",
     .value = "SUBTREE",
     .summary = "sync nothing but this",
     .repeatable = true,
     .per_folder = true,
     .live = true,
     .topic = Topic::kFilters},
    {.name = "exclude",
     .value = "SUBTREE",
     .summary = "do not sync this",
     .repeatable = true,
     .per_folder = true,
     .live = true,
     .topic = Topic::kFilters},
    {.name = "compare",
     .value = "HOW",
     .kind = kChoice,
     .summary = "what tells a scan that nothing changed",
     .details = "quick (size, times, inode), hash (nothing: every file is read), size, mtime or "
                "size-mtime. What is looked at is judged by its content.",
     .fallback = "quick",
     .choices = kCompares,
     .per_folder = true,
     .live = true,
     .topic = Topic::kFilters},
    {.name = "max-delete",
     .value = "LIMIT",
     .summary = "hold more losses until confirmed",
     .details = "A part of the folder (50%), a number of entries, or off. Deletions count, and "
                "files replaced by something unrelated, in both directions; renames do not. Fewer "
                "than 25 entries are never held by a part.",
     .fallback = "50%",
     .per_folder = true,
     .live = true,
     .topic = Topic::kBrake},
    {.name = "preserve",
     .value = "WHAT",
     .kind = kChoice,
     .summary = "carry owner, xattr or owner,xattr as well",
     .details =
         "owner: owner and group, by name with ids as a fallback. xattr: extended attributes "
         "and ACLs. What a host may not set, it keeps and passes on.",
     .choices = kPreserve,
     .per_folder = true,
     .topic = Topic::kMetadata},
    {.name = "allow-shared-root",
     .kind = kSwitch,
     .summary = "as root, where others may write too",
     .details = "Others could make such an agent write and delete for them. Also for file systems "
                "that know no owners.",
     .per_folder = true,
     .topic = Topic::kMetadata},
    {.name = "trash-days",
     .value = "DAYS",
     .summary = "how long the trash is kept, or off",
     .details = "Replaced and deleted files lie in .syncagent/trash of the directory. off: for "
                "ever.",
     .fallback = "30",
     .per_folder = true,
     .topic = Topic::kMetadata},
    {.name = "trash-size",
     .value = "SIZE",
     .summary = "how much of it is kept, oldest go first",
     .details = "Bytes with k, M, G or T of 1024 after them, or off.",
     .fallback = "off",
     .per_folder = true,
     .topic = Topic::kMetadata},
    {.name = "limit-up",
     .value = "RATE",
     .summary = "bytes per second to send, or a timetable",
     .details = "512k, 10M, off; k, M and G are of 1024. A timetable says from when which rate "
                "holds: '08:00 512k, 19:00 off', with days 'Mon-08:00 1M'. Times are local.",
     .fallback = "off",
     .topic = Topic::kTraffic},
    {.name = "limit-down",
     .value = "RATE",
     .summary = "the same for receiving",
     .fallback = "off",
     .topic = Topic::kTraffic},
    {.name = "transfers",
     .value = "NUMBER",
     .summary = "files sent or received at once",
     .fallback = "8",
     .topic = Topic::kTraffic},
    {.name = "priority",
     .value = "PRIORITY",
     .kind = kChoice,
     .summary = "which folder's transfers go first",
     .details = "high, normal or low: where limits make several folders of one agent wait, the "
                "more important one's transfers go first.",
     .fallback = "normal",
     .choices = kPriorities,
     .per_folder = true,
     .topic = Topic::kTraffic},
    {.name = "compression",
     .value = "LEVEL",
     .summary = "zstd level to send with, 1 to 19, or off",
     .details = "What does not get smaller is sent as it is.",
     .fallback = "3",
     .per_folder = true,
     .live = true,
     .topic = Topic::kTraffic},
    {.name = "schedule",
     .value = "CRON",
     .summary = "when to sync, instead of all the time",
     .details = "Cron's five fields ('*/15 9-18 * * mon-fri') or @hourly, @daily, @weekly, "
                "@monthly, @yearly. Times are local. Does not bear on `sync`.",
     .topic = Topic::kTraffic},
    {.name = "on-synced",
     .value = "CMD",
     .summary = "run this when in sync after changes",
     .details = "A program with its arguments, split as a shell would, without a shell. It gets "
                "what changed on stdin, one JSON object per line.",
     .topic = Topic::kHooks},
    {.name = "on-conflict",
     .value = "CMD",
     .summary = "run this for conflicts",
     .topic = Topic::kHooks},
    {.name = "on-error",
     .value = "CMD",
     .summary = "run this when something can't be synced",
     .topic = Topic::kHooks},
    {.name = "hook-timeout",
     .value = "SECONDS",
     .summary = "how long each of these may take",
     .fallback = "60",
     .topic = Topic::kHooks},
    {.name = "http",
     .value = "ADDR:PORT",
     .summary = "serve /metrics and /healthz here, or off",
     .fallback = "off",
     .topic = Topic::kOutput},
    {.name = "log-level",
     .value = "LEVEL",
     .kind = kChoice,
     .summary = "debug, info, warn, error or off",
     .fallback = "info",
     .choices = kLevels,
     .topic = Topic::kOutput},
};

constexpr OptionDefinition kJson = {
    .name = "json", .kind = kSwitch, .summary = "as protobuf JSON, for programs"};
constexpr OptionDefinition kJsonOnly[] = {kJson};
constexpr OptionDefinition kYes = {
    .name = "yes", .letter = 'y', .kind = kSwitch, .summary = "agree to what would be asked"};
constexpr OptionDefinition kRebind = {.name = "rebind",
                                      .kind = kSwitch,
                                      .summary = "bring DIR in step with another server or folder"};
constexpr OptionDefinition kRunOptions[] = {kYes, kRebind};
constexpr OptionDefinition kSyncOptions[] = {
    {.name = "force-upload",
     .kind = kSwitch,
     .summary = "make the folder what DIR is, whatever it was"},
    {.name = "force-download",
     .kind = kSwitch,
     .summary = "make DIR what the folder is, whatever it was"},
    kYes,
    kRebind,
    {.name = "force", .kind = kSwitch, .summary = "run without the brake, this once"},
    {.name = "path",
     .value = "SUBTREE",
     .summary = "sync only this part; leave the rest for later"},
    {.name = "dry-run", .kind = kSwitch, .summary = "tell what would be done, and do nothing"},
    {.name = "full", .kind = kSwitch, .summary = "read every file, also those that look unchanged"},
    {.name = "json", .kind = kSwitch, .summary = "tell what was done as protobuf JSON"}};
constexpr OptionDefinition kStatusOptions[] = {kJson,
                                               {.name = "watch",
                                                .letter = 'w',
                                                .kind = kSwitch,
                                                .summary = "go on telling until the agent ends"}};
constexpr OptionDefinition kResolveOptions[] = {{.name = "keep",
                                                 .value = "WHICH",
                                                 .kind = kChoice,
                                                 .summary = "local, remote or both; name or copy",
                                                 .choices = "local remote both name copy"}};
constexpr OptionDefinition kManOptions[] = {
    {.name = "markdown", .kind = kSwitch, .summary = "as Markdown, for the documentation"}};
constexpr OptionDefinition kWaitOptions[] = {
    {.name = "timeout", .value = "SECONDS", .summary = "wait at most this long (for ever)"}};

constexpr CommandDefinition kCommands[] = {
    {.name = "run",
     .synonyms = "watch start",
     .argument = "[DIR]",
     .summary = "keep a directory in sync until stopped",
     .details = "What happens without a command. Ctrl-C or SIGTERM ends it; SIGHUP, or a change "
                "of a configuration file, makes it read them again.",
     .example = "syncagent --server host:50051 ./dir",
     .settings = true,
     .options = kRunOptions},
    {.name = "sync",
     .argument = "[DIR]",
     .summary = "bring a directory in sync once",
     .details = "Exits with 0 when in sync, 1 when paths failed, 3 when conflicts wait, 4 when "
                "losses wait, 5 without a server, 7 when halted.",
     .example = "syncagent sync --server host:50051 ./dir",
     .settings = true,
     .options = kSyncOptions},
    {.name = "status",
     .argument = "DIR",
     .summary = "tell how a directory stands",
     .example = "syncagent status --watch ./dir",
     .options = kStatusOptions},
    {.name = "list",
     .argument = "[DIR]",
     .summary = "tell what waits in a directory, and why",
     .details = "Asks the agent that runs for it. Where none runs, a dry run finds out.",
     .example = "syncagent list ./dir",
     .settings = true,
     .options = kJsonOnly},
    {.name = "events",
     .argument = "DIR",
     .summary = "tell what happens in a directory",
     .details = "One line per event, with --json one JSON object per line, until the agent ends.",
     .example = "syncagent events --json ./dir | jq .sync",
     .options = kJsonOnly},
    {.name = "conflicts",
     .argument = "DIR",
     .summary = "list a folder's conflicts, on all hosts",
     .details = "Those that are held for a person (--conflict manual), with the agent that holds "
                "them, and the conflict copies in the folder.",
     .example = "syncagent conflicts ./dir",
     .options = kJsonOnly},
    {.name = "resolve",
     .argument = "PATH",
     .summary = "settle the conflict at a path",
     .details = "On the host that holds it. What is not kept stays in the history or the trash. Of "
                "a conflict copy, name keeps what stands under the name, copy the copy.",
     .example = "syncagent resolve ./dir/plan.txt --keep local",
     .options = kResolveOptions},
    {.name = "confirm",
     .argument = "DIR",
     .summary = "let go what the brake holds",
     .details = "Deletions and replaced files, in both directions. Where no agent runs, the next "
                "one carries it out.",
     .example = "syncagent confirm ./dir"},
    {.name = "undo",
     .argument = "DIR",
     .summary = "undo what the brake holds",
     .details = "What is gone here comes back; what would go here is given back to the folder. "
                "Where no agent runs, the next one carries it out.",
     .example = "syncagent undo ./dir"},
    {.name = "pause",
     .argument = "DIR",
     .summary = "stop syncing, also over restarts",
     .details = "What changes meanwhile is noticed, and goes both ways afterwards.",
     .example = "syncagent pause ./dir"},
    {.name = "resume",
     .argument = "DIR",
     .summary = "go on after a pause",
     .example = "syncagent resume ./dir"},
    {.name = "wait",
     .argument = "DIR",
     .summary = "return when in sync, for scripts",
     .details = "Exits with 0 when in sync, 1 when the time is over or no agent runs, 7 when "
                "halted.",
     .example = "syncagent wait --timeout 60 ./dir && make -C ./dir",
     .options = kWaitOptions},
    {.name = "ignore test",
     .argument = "PATH",
     .summary = "tell which rule decides about a path",
     .details = "PATH lies in a synced directory and need not exist; a / at its end asks for a "
                "directory.",
     .example = "syncagent ignore test ./dir/build/x.log",
     .options = kJsonOnly},
    {.name = "versions",
     .argument = "PATH",
     .summary = "list what a file was before",
     .details = "From the folder's history on the server, newest first.",
     .example = "syncagent versions ./dir/plan.txt",
     .options = kJsonOnly},
    {.name = "doctor",
     .argument = "[DIR]",
     .summary = "look for what stands in the way",
     .details = "The server, the clock, how much can be watched, disk space, permissions, and how "
                "the directory stands. Exits with 1 when something is wrong.",
     .example = "syncagent doctor --server host:50051 ./dir",
     .settings = true,
     .options = kJsonOnly},
    {.name = "config",
     .argument = "[DIR]",
     .summary = "show the effective settings and their sources",
     .example = "syncagent config --limit-up 10M ./dir",
     .settings = true,
     .options = kJsonOnly},
    {.name = "completion",
     .argument = "SHELL",
     .summary = "print completions for bash, zsh or fish",
     .example = "syncagent completion bash > /etc/bash_completion.d/syncagent",
     .aside = true},
    {.name = "man",
     .summary = "print the manual page",
     .example = "syncagent man | man -l -",
     .aside = true,
     .options = kManOptions},
    {.name = "help",
     .argument = "[NAME]",
     .summary = "explain a command or a topic",
     .details = "Topics gather settings: modes, filters, brake, traffic, metadata, hooks, output.",
     .example = "syncagent help traffic",
     .aside = true},
};

constexpr TopicDefinition kTopics[] = {
    {Topic::kBasics, "basics", "what to keep in sync with what",
     "syncagent -s host:50051 --sync docs=~/docs --sync code=~/code"},
    {Topic::kModes, "modes", "which way changes go, and who wins",
     "syncagent --mode source-backup --conflict '*.db=keep-local' ./dir"},
    {Topic::kFilters, "filters", "what is not synced",
     "syncagent --ignore '*.o' --include src ./dir"},
    {Topic::kBrake, "brake", "what waits for a person", "syncagent --max-delete 100 ./dir"},
    {Topic::kTraffic, "traffic", "when and how fast",
     "syncagent --limit-up '08:00 512k, 19:00 off' ./dir"},
    {Topic::kMetadata, "metadata", "what is carried and kept besides content",
     "syncagent --preserve owner,xattr ./dir"},
    {Topic::kHooks, "hooks", "what is run when something happens",
     "syncagent --on-synced 'make -C /srv/site' ./dir"},
    {Topic::kOutput, "output", "what is told, and where", "syncagent --http 127.0.0.1:9465 ./dir"},
};

}  // namespace

std::span<const OptionDefinition> Settings() { return kSettings; }
std::span<const CommandDefinition> Commands() { return kCommands; }
std::span<const TopicDefinition> Topics() { return kTopics; }

const OptionDefinition* FindSetting(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kSettings), std::end(kSettings),
                                         [&](const auto& option) { return option.name == name; });
  return found == std::end(kSettings) ? nullptr : found;
}

const CommandDefinition* FindCommand(std::string_view name) {
  for (const CommandDefinition& command : kCommands) {
    if (command.name == name) return &command;
    for (const absl::string_view synonym :
         absl::StrSplit(ToAbsl(command.synonyms), ' ', absl::SkipEmpty())) {
      if (synonym == ToAbsl(name)) return &command;
    }
  }
  return nullptr;
}

std::string EnvironmentName(const OptionDefinition& option) {
  std::string name(kEnvironmentPrefix);
  name += absl::AsciiStrToUpper(ToAbsl(option.name));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

const OptionDefinition* FindSettingByEnvironmentName(std::string_view name) {
  for (const OptionDefinition& option : Settings()) {
    if (EnvironmentName(option) == name) return &option;
  }
  return nullptr;
}

std::string TomlKey(const OptionDefinition& option) {
  std::string key(option.name);
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

}  // namespace filesync
