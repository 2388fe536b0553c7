#include "agent/config/older_names.h"

#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr OlderName kNames[] = {
    {"WATCH_DIR", "directory"},
    {"WATCH_DIRECTORY", "directory"},
    {"SYNC_DIR", "directory"},
    {"SERVER_ADDRESS", "server"},
    {"SYNC_SERVER", "server"},
    {"SYNC_FOLDER", "folder"},
    {"AGENT_NAME", "name"},
    {"SYNC_MODE", "mode"},
    {"CONFLICT_POLICY", "conflict"},
    {"CONFLICT_STRATEGY", "conflict"},
    {"IGNORE_PATTERNS", "ignore"},
    {"UPLOAD_LIMIT", "limit-up"},
    {"DOWNLOAD_LIMIT", "limit-down"},
    {"SYNC_SCHEDULE", "schedule"},
    {"COMPRESSION_ENABLED", "compression"},
    {"COMPRESSION_LEVEL", "compression"},
    {"MAX_CONCURRENT_TRANSFERS", "transfers"},
    {"METRICS_ADDRESS", "http"},
    {"LOG_LEVEL", "log-level"},
};

// Only "off" says something: how much to compress is another variable's or the default.
absl::Status TakeCompressionSwitch(std::string_view value, const std::string& where, Layer& layer) {
  FS_ASSIGN_OR_RETURN(const std::string on, CanonicalSwitch(value));
  if (on == "false") layer["compression"] = {{"off"}, where};
  return absl::OkStatus();
}

}  // namespace

std::span<const OlderName> OlderNames() { return kNames; }

absl::Status TranslateOlderName(std::string_view name, std::string_view value,
                                const std::string& where, Layer& layer) {
  if (name == "COMPRESSION_ENABLED") return TakeCompressionSwitch(value, where, layer);
  for (const OlderName& older : kNames) {
    if (older.name != name) continue;
    const OptionDefinition& option = *FindSetting(older.setting);
    FS_ASSIGN_OR_RETURN(std::vector<std::string> texts, SplitValue(option, value));
    // COMPRESSION_ENABLED=false stays so, whatever the level.
    layer.try_emplace(option.name, Setting{std::move(texts), where});
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace filesync
