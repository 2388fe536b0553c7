#include "agent/cli/explain_commands.h"
#include "agent/cli/output.h"

#include <unistd.h>

#include "absl/strings/str_join.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/options.h"
#include "agent/cli/print_json.h"
#include "agent/cli/setting_reader.h"
#include "agent/config/completion.h"
#include "agent/config/help.h"
#include "agent/config/manual.h"
#include "filesync/control/v1/control.pb.h"
#include "libs/base/status.h"
#include "libs/paths/utf8.h"

namespace filesync {
namespace {

// Text that is no UTF-8 can stand in neither TOML nor JSON.
std::string ForJson(const std::string& text) { return IsUtf8(text) ? text : EscapeForPeople(text); }

// As config.toml would have it.
std::string TomlText(const std::string& text) {
  std::string out = "\"";
  for (const char c : ForJson(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string TomlValue(const OptionDefinition& option, const Setting& setting) {
  if (option.kind == ValueKind::kSwitch) return setting.texts.front();
  if (!option.repeatable) return TomlText(setting.texts.back());
  return "[" +
         absl::StrJoin(setting.texts, ", ",
                       [](std::string* out, const std::string& text) { *out += TomlText(text); }) +
         "]";
}

control::v1::SettingValue ToSettingValue(const OptionDefinition& option, const Setting& setting) {
  control::v1::SettingValue value;
  value.set_name(TomlKey(option));
  for (const std::string& text : setting.texts) value.add_values(ForJson(text));
  value.set_source(setting.where);
  return value;
}

void PrintValue(const OptionDefinition& option, const Setting& setting) {
  const std::string line = fmt::format("{} = {}", TomlKey(option), TomlValue(option, setting));
  Output("{:<40} # {}\n", line, setting.where);
}

// What is said of a location itself: which folder, and which directory.
bool NamesTheLocation(const OptionDefinition& option) {
  return option.name == "folder" || option.name == "directory" || option.name == "sync";
}

// Of what is not each directory's own.
SettingReader ForAll(const Sources& sources, const std::vector<ConfiguredLocation>& locations) {
  return {sources, nullptr, locations.size() == 1 ? locations.front().remembered : nullptr};
}

control::v1::Configuration Collect(const Sources& sources,
                                   const std::vector<ConfiguredLocation>& locations) {
  control::v1::Configuration all;
  const SettingReader reader = ForAll(sources, locations);
  for (const OptionDefinition& option : Settings()) {
    const Setting setting = reader.Get(option.name);
    const bool own = option.per_folder && !locations.empty();
    if (!own && !setting.texts.empty()) *all.add_settings() = ToSettingValue(option, setting);
  }
  for (const ConfiguredLocation& location : locations) {
    control::v1::Configuration::Location* out = all.add_locations();
    out->set_folder(ForJson(location.folder));
    out->set_directory(ForJson(location.directory));
    const SettingReader own(sources, location.table);
    for (const OptionDefinition& option : Settings()) {
      if (!option.per_folder || NamesTheLocation(option)) continue;
      const Setting setting = own.Get(option.name);
      if (!setting.texts.empty()) *out->add_settings() = ToSettingValue(option, setting);
    }
  }
  return all;
}

void PrintToml(const Sources& sources, const std::vector<ConfiguredLocation>& locations) {
  const SettingReader reader = ForAll(sources, locations);
  for (const OptionDefinition& option : Settings()) {
    const Setting setting = reader.Get(option.name);
    if (option.per_folder && !locations.empty()) continue;
    // Where the files are is not for the files to say.
    if (option.kind == ValueKind::kFile) continue;
    if (!setting.texts.empty()) PrintValue(option, setting);
  }
  for (const ConfiguredLocation& location : locations) {
    Output("\n[[folder]]\nname = {}\ndirectory = {}\n", TomlText(location.folder),
           TomlText(location.directory));
    const SettingReader own(sources, location.table);
    for (const OptionDefinition& option : Settings()) {
      if (!option.per_folder || NamesTheLocation(option)) continue;
      const Setting setting = own.Get(option.name);
      if (!setting.texts.empty()) PrintValue(option, setting);
    }
  }
}

}  // namespace

int RunConfig(const Invocation& asked) {
  const absl::StatusOr<Sources> sources = ReadSourcesAndBindings(asked.settings);
  if (!sources.ok()) return Refuse(sources.status());
  // Without a directory the rest can be shown all the same.
  const absl::StatusOr<std::vector<ConfiguredLocation>> found = FindLocations(*sources);
  const std::vector<ConfiguredLocation> locations =
      found.ok() ? *found : std::vector<ConfiguredLocation>();
  if (!found.ok() && !absl::IsNotFound(found.status())) return Refuse(found.status());
  const absl::Status checked =
      found.ok() ? CheckOptions(*sources).status() : CheckWithoutLocations(*sources);
  if (!checked.ok()) return Refuse(checked);
  for (const std::string& warning : sources->warnings) {
    Output(stderr, "syncagent: {}\n", warning);
  }
  if (asked.Has("json")) return PrintJson(Collect(*sources, locations));
  PrintToml(*sources, locations);
  return kExitInSync;
}

int RunCompletion(const Invocation& asked) {
  const std::optional<std::string> script = CompletionScript(asked.argument);
  if (!script.has_value()) {
    return Refuse(InvalidArgument("completion {}: expected bash, zsh or fish",
                                  EscapeForPeople(asked.argument)));
  }
  Output("{}", *script);
  return kExitInSync;
}

int RunMan(const Invocation& asked) {
  Output("{}", asked.Has("markdown") ? Reference() : ManualPage());
  return kExitInSync;
}

int RunHelp(const Invocation& asked) {
  const std::optional<std::string> text = HelpFor(asked.argument);
  if (!text.has_value()) {
    return Refuse(InvalidArgument("help {}: there is no such command or topic",
                                  EscapeForPeople(asked.argument)));
  }
  Output("{}", *text);
  return kExitInSync;
}

}  // namespace filesync
