#include "agent/config/sources.h"

#include <cerrno>
#include <cstdlib>
#include <optional>

#include "agent/config/env_file.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr size_t kLargestFile = 1 << 20;
constexpr char kDefaultEnvFile[] = ".env";
constexpr char kSystemConfig[] = "/etc/syncagent/config.toml";
constexpr char kNone[] = "none";

// What a file holds; nullopt: it is not there.
absl::StatusOr<std::optional<std::string>> ReadIfThere(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path, kLargestFile);
  if (text.ok()) return *std::move(text);
  if (absl::IsNotFound(text.status()) || ErrnoOf(text.status()) == ENOTDIR) return std::nullopt;
  return InvalidArgument("{}: expected a readable file of at most {} KiB: {}", path,
                         kLargestFile >> 10, ToStd(text.status().message()));
}

// The file that was named, or nothing when it is "none".
struct Named {
  bool given = false;
  std::string path;
};
Named Find(std::initializer_list<const Layer*> layers, std::string_view option) {
  for (const Layer* layer : layers) {
    const auto found = layer->find(option);
    if (found == layer->end()) continue;
    const std::string& path = found->second.texts.front();
    return {true, path == kNone ? "" : path};
  }
  return {};
}

// The same for a file that nobody named: one in a directory that this user may not look into is
// somebody else's.
absl::StatusOr<std::optional<std::string>> ReadIfSeen(const std::string& path) {
  if (FileStamp(path).empty()) return std::nullopt;
  // Nor is waited for who may write into a pipe of that name.
  if (!IsRegularFile(path))
    return InvalidArgument("{}: expected a readable file, found something else", path);
  return ReadIfThere(path);
}

absl::Status NamedButMissing(const char* option, const std::string& path) {
  return InvalidArgument("--{} {}: expected a file, there is none", option, path);
}

std::string UserConfig() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && *config == '/') return std::string(config) + "/syncagent/config.toml";
  const char* home = std::getenv("HOME");
  return home != nullptr && *home == '/' ? std::string(home) + "/.config/syncagent/config.toml"
                                         : kSystemConfig;
}

// Nobody named a .env file: which one is read all the same.
absl::StatusOr<std::string> UnnamedEnv(const Sources& sources, const Sources* before) {
  if (before != nullptr) return before->env_path;
  const bool config_named = Find({&sources.flags, &sources.environment}, "config").given;
  if (!sources.flags.empty() || config_named) return "";
  for (const std::string& config : {UserConfig(), std::string(kSystemConfig)}) {
    if (!FileStamp(config).empty()) return "";
  }
  return FileStamp(kDefaultEnvFile).empty() ? "" : kDefaultEnvFile;
}

absl::Status ReadEnv(Sources& sources, const Sources* before) {
  const Named named = Find({&sources.flags, &sources.environment}, "env-file");
  if (named.given) {
    sources.env_path = named.path;
  } else {
    FS_ASSIGN_OR_RETURN(sources.env_path, UnnamedEnv(sources, before));
  }
  if (sources.env_path.empty()) return absl::OkStatus();
  FS_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                      named.given ? ReadIfThere(sources.env_path) : ReadIfSeen(sources.env_path));
  if (!text.has_value()) {
    // What it said is not taken back because it is gone: it may be about to be written anew.
    if (before != nullptr) sources.env_file = before->env_file;
    return named.given && before == nullptr ? NamedButMissing("env-file", sources.env_path)
                                            : absl::OkStatus();
  }
  FS_ASSIGN_OR_RETURN(sources.env_file, ParseEnvFile(sources.env_path, *text));
  return absl::OkStatus();
}

absl::Status ReadConfig(Sources& sources, const Sources* before) {
  const Named named = Find({&sources.flags, &sources.environment, &sources.env_file}, "config");
  if (named.given && named.path.empty()) return absl::OkStatus();
  sources.config_path = named.given ? named.path : UserConfig();
  // One that appears since in a better place names no directories in the stead of this one.
  if (!named.given && before != nullptr && before->config_read) {
    sources.config_path = before->config_path;
  }
  FS_ASSIGN_OR_RETURN(std::optional<std::string> text, named.given
                                                           ? ReadIfThere(sources.config_path)
                                                           : ReadIfSeen(sources.config_path));
  if (!text.has_value() && named.given) return NamedButMissing("config", sources.config_path);
  if (!text.has_value() && (before == nullptr || !before->config_read)) {
    const std::string user = sources.config_path;
    sources.config_path = kSystemConfig;
    FS_ASSIGN_OR_RETURN(text, ReadIfSeen(sources.config_path));
    // The user's own is the one to wait for.
    if (!text.has_value()) sources.config_path = user;
  }
  if (!text.has_value()) return absl::OkStatus();
  sources.config_read = true;
  FS_ASSIGN_OR_RETURN(sources.file, ParseConfigFile(sources.config_path, *text));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Sources> ReadSources(Layer flags, const char* const* environment,
                                    const Sources* before) {
  Sources sources;
  sources.flags = std::move(flags);
  FS_ASSIGN_OR_RETURN(Environment found, ReadEnvironment(environment));
  sources.environment = std::move(found.layer);
  for (const std::string& name : found.unknown) {
    sources.warnings.push_back(
        fmt::format("the environment's {} is no setting and is ignored", name));
  }
  FS_RETURN_IF_ERROR(ReadEnv(sources, before));
  FS_RETURN_IF_ERROR(ReadConfig(sources, before));
  return sources;
}

Setting Effective(const Sources& sources, const OptionDefinition& option, const FolderTable* folder,
                  const Layer* remembered) {
  for (const Layer* layer :
       {&sources.flags, &sources.environment, &sources.env_file,
        folder == nullptr ? nullptr : &folder->values, &sources.file.top, remembered}) {
    if (layer == nullptr) continue;
    if (const auto found = layer->find(option.name); found != layer->end()) return found->second;
  }
  Setting setting;
  setting.where = kDefaultWhere;
  if (option.kind == ValueKind::kSwitch) {
    setting.texts = {"false"};
  } else if (!option.fallback.empty()) {
    setting.texts = {std::string(option.fallback)};
  }
  return setting;
}

std::string NameInError(const OptionDefinition& option, const Setting& setting,
                        std::string_view value) {
  const bool by_name = setting.where.starts_with("--") || setting.where.starts_with("SYNCAGENT_");
  if (by_name) return fmt::format("{} {}", setting.where, value);
  if (setting.where == kDefaultWhere) return fmt::format("--{} {}", option.name, value);
  return fmt::format("{}: {} {}", setting.where, TomlKey(option), value);
}

std::string StampOf(const Sources& sources) {
  std::string stamp;
  for (const std::string& path : {sources.env_path, sources.config_path}) {
    if (!path.empty()) stamp += FileStamp(path);
    stamp += '\n';
  }
  return stamp;
}

}  // namespace filesync
