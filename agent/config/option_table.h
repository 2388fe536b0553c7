// The settings and commands of `syncagent`, each defined once. Parsing, help, configuration
// files, completion, man page and reference are all made from these tables.
//
// A setting named `limit-up` is the flag --limit-up, the environment variable (and the name in
// .env) SYNCAGENT_LIMIT_UP, and the key limit_up in config.toml. What only one command is asked
// (--json, --timeout) belongs to that command and is no setting.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace filesync {

enum class ValueKind : uint8_t { kSwitch, kText, kChoice, kFile, kDirectory };

// What help shows together: `syncagent help TOPIC`.
enum class Topic : uint8_t {
  kBasics,
  kModes,
  kFilters,
  kBrake,
  kTraffic,
  kMetadata,
  kHooks,
  kOutput,
};

// In the order in which the table reads best.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
struct OptionDefinition {
  std::string_view name;
  char letter = 0;         // 0: none
  std::string_view value;  // what stands for it in help; empty for switches
  ValueKind kind = ValueKind::kText;
  std::string_view summary;  // one line of help
  std::string_view details;  // more, for man page and reference; may be empty
  std::string_view fallback;
  std::string_view choices;  // kChoice: words with a space between them
  bool repeatable = false;
  // May stand in a [[folder]] table: it is each directory's own.
  bool per_folder = false;
  // A change takes effect without the directory's engine being started anew.
  bool live = false;
  Topic topic = Topic::kBasics;
};

struct CommandDefinition {
  std::string_view name;  // "ignore test" is a command of two words
  std::string_view synonyms;
  std::string_view argument;  // "DIR", "PATH", "[DIR]"; empty: none
  std::string_view summary;
  std::string_view details;
  std::string_view example;
  bool settings = false;  // takes all settings
  bool aside = false;     // the program's help only names it
  std::span<const OptionDefinition> options;
};

struct TopicDefinition {
  Topic topic;
  std::string_view name;
  std::string_view summary;
  std::string_view example;
};

std::span<const OptionDefinition> Settings();
std::span<const CommandDefinition> Commands();
std::span<const TopicDefinition> Topics();

const OptionDefinition* FindSetting(std::string_view name);
const CommandDefinition* FindCommand(std::string_view name);

// What the names of all settings in the environment begin with.
inline constexpr std::string_view kEnvironmentPrefix = "SYNCAGENT_";
// "SYNCAGENT_LIMIT_UP".
std::string EnvironmentName(const OptionDefinition& option);
// nullptr: no setting is called so.
const OptionDefinition* FindSettingByEnvironmentName(std::string_view name);
// "limit_up".
std::string TomlKey(const OptionDefinition& option);

}  // namespace filesync
