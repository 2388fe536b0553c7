#include "agent/config/help.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr size_t kColumns = 80;

std::string OptionLine(const OptionDefinition& option) {
  const std::string spelling = option.letter == 0 ? "    " + Spelling(option) : Spelling(option);
  return fmt::format("  {:<29} {}\n", spelling, SummaryWithDefault(option));
}

std::string Capitalised(std::string_view text) {
  std::string sentence(text);
  sentence.front() = absl::ascii_toupper(static_cast<unsigned char>(sentence.front()));
  return sentence + ".";
}

std::string Paragraph(std::string_view text) {
  return absl::StrJoin(Wrap(text, kColumns), "\n") + "\n";
}

std::string Example(std::string_view example) { return fmt::format("\nExample: {}\n", example); }

std::string TopicNames() {
  std::string names;
  for (const TopicDefinition& topic : Topics()) {
    if (topic.topic != Topic::kBasics) names += fmt::format(" {}", topic.name);
  }
  return names;
}

}  // namespace

std::vector<std::string> Wrap(std::string_view text, size_t columns) {
  std::vector<std::string> lines(1);
  for (const absl::string_view word : absl::StrSplit(ToAbsl(text), ' ', absl::SkipEmpty())) {
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > columns) {
      lines.emplace_back();
    }
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back().append(word.data(), word.size());
  }
  return lines;
}

std::string Spelling(const OptionDefinition& option) {
  std::string text = option.letter == 0 ? "" : fmt::format("-{}, ", option.letter);
  text += fmt::format("--{}", option.name);
  if (!option.value.empty()) text += fmt::format(" {}", option.value);
  return text;
}

std::string SummaryWithDefault(const OptionDefinition& option) {
  std::string text(option.summary);
  if (!option.fallback.empty()) text += fmt::format(" ({})", option.fallback);
  return text;
}

std::string Usage(const CommandDefinition& command) {
  std::string text = fmt::format("syncagent {}", command.name);
  if (command.name == "run") text = "syncagent [run]";
  if (command.settings || !command.options.empty()) text += " [OPTIONS]";
  if (!command.argument.empty()) text += fmt::format(" {}", command.argument);
  return text;
}

std::string ProgramHelp() {
  std::string text =
      "Keeps a directory identical on all hosts that share it, through a server.\n"
      "Example: syncagent --server host:50051 ./dir\n\n";
  std::string aside;
  for (const CommandDefinition& command : Commands()) {
    if (command.aside) {
      aside += fmt::format(" {}", command.name);
    } else {
      text += fmt::format("  {:<12} {}\n", command.name, command.summary);
    }
  }
  return text + fmt::format("  Also:{}\n\n", aside) +
         "`syncagent help NAME` explains a command or a topic. Topics:\n " + TopicNames() + "\n";
}

std::string CommandHelp(const CommandDefinition& command) {
  std::string text = fmt::format("Usage: {}\n", Usage(command));
  text += Paragraph(Capitalised(command.summary) +
                    (command.details.empty() ? "" : " " + std::string(command.details)));
  if (!command.synonyms.empty()) text += fmt::format("Also called: {}.\n", command.synonyms);
  if (command.settings || !command.options.empty()) text += "\n";
  for (const OptionDefinition& option : command.options) text += OptionLine(option);
  if (command.settings) {
    for (const OptionDefinition& option : Settings()) {
      if (option.topic == Topic::kBasics) text += OptionLine(option);
    }
  }
  text += Example(command.example);
  if (command.settings) text += fmt::format("More options: syncagent help{}\n", TopicNames());
  return text;
}

std::string TopicHelp(const TopicDefinition& topic) {
  std::string text = fmt::format("{}\n\n", Capitalised(topic.summary));
  for (const OptionDefinition& option : Settings()) {
    if (option.topic != topic.topic) continue;
    text += OptionLine(option);
  }
  return text + Example(topic.example) +
         "Each is also SYNCAGENT_NAME in the environment or .env, and name in config.toml:\n"
         "`syncagent man` tells more, `syncagent config` where each value comes from.\n";
}

std::optional<std::string> HelpFor(std::string_view name) {
  if (name.empty()) return ProgramHelp();
  if (const CommandDefinition* command = FindCommand(name); command != nullptr) {
    return CommandHelp(*command);
  }
  for (const TopicDefinition& topic : Topics()) {
    if (topic.name == name) return TopicHelp(topic);
  }
  return std::nullopt;
}

}  // namespace filesync
