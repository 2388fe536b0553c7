#include "agent/config/manual.h"

#include <fmt/format.h>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "agent/config/help.h"
#include "agent/config/older_names.h"
#include "agent/config/option_table.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr std::string_view kSources =
    "A setting is given as a flag, in the environment, in .env, in config.toml or has a default; "
    "the first of these that names it decides. Several values of one setting have a comma between "
    "them in the environment and in .env (a comma within a value is written \\,), and are a list "
    "in config.toml. In config.toml, a [[folder]] table holds the settings of one directory: its "
    "name, its directory, and those marked below as each folder's own. The .env of the working "
    "directory is read only where there is no configuration file and no argument, as it may be "
    "some "
    "project's; --env-file names one in any case. A directory keeps the server and folder that it "
    "is in step with: where none is given they hold, and others are refused without --rebind.";

struct ExitCode {
  int code;
  std::string_view meaning;
};
constexpr ExitCode kExitCodes[] = {{0, "in sync, or done"},
                                   {1, "finished with some paths failed"},
                                   {2, "wrong usage or configuration"},
                                   {3, "conflicts wait for a decision"},
                                   {4, "held by the brake: a confirmation is needed"},
                                   {5, "the server can't be reached"},
                                   {7, "halted"}};

// As text in a man page: no line may begin with '.' or '\'', and '-' is to be copyable.
std::string Roff(std::string_view text) {
  std::string out =
      absl::StrReplaceAll(ToAbsl(text), {{"\\", "\\e"}, {"-", "\\-"}, {"…", "..."}, {"`", "\""}});
  if (out.starts_with(".") || out.starts_with("'")) out.insert(0, "\\&");
  return out;
}

std::string Sentence(std::string_view text) {
  std::string sentence(text);
  if (!sentence.empty() && sentence.back() != '.') sentence += '.';
  return sentence;
}

std::string Where(const OptionDefinition& option) {
  return fmt::format("Environment: {}. config.toml: {}{}.", EnvironmentName(option),
                     TomlKey(option), option.per_folder ? ", each folder's own" : "");
}

std::string OptionParagraph(const OptionDefinition& option, bool is_setting) {
  std::string text = ".TP\n.B " + Roff(Spelling(option)) + "\n" +
                     Roff(Sentence(SummaryWithDefault(option))) + "\n";
  if (!option.details.empty()) text += Roff(option.details) + "\n";
  if (option.repeatable) text += "May be repeated.\n";
  if (is_setting) text += ".br\n" + Roff(Where(option)) + "\n";
  return text;
}

}  // namespace

std::string ManualPage() {
  std::string text =
      ".TH SYNCAGENT 1 \"\" \"filesync\" \"User Commands\"\n"
      ".SH NAME\nsyncagent \\- keep a directory identical on all hosts that share it\n"
      ".SH SYNOPSIS\n";
  for (const CommandDefinition& command : Commands()) {
    text += ".br\n.B " + Roff(Usage(command)) + "\n";
  }
  text += ".SH COMMANDS\n";
  for (const CommandDefinition& command : Commands()) {
    text += ".SS " + Roff(Usage(command)) + "\n" + Roff(Sentence(command.summary)) + "\n";
    if (!command.synonyms.empty()) {
      text += "Also called: " + Roff(Sentence(command.synonyms)) + "\n";
    }
    if (!command.details.empty()) text += Roff(command.details) + "\n";
    for (const OptionDefinition& option : command.options) text += OptionParagraph(option, false);
    text += ".PP\n.nf\n" + Roff(command.example) + "\n.fi\n";
  }
  text += ".SH SETTINGS\n" + Roff(kSources) + "\n";
  for (const TopicDefinition& topic : Topics()) {
    text += ".SS " + Roff(topic.summary) + "\n";
    for (const OptionDefinition& option : Settings()) {
      if (option.topic == topic.topic) text += OptionParagraph(option, true);
    }
    text += ".PP\n.nf\n" + Roff(topic.example) + "\n.fi\n";
  }
  text += ".SH EXIT STATUS\n";
  for (const ExitCode& exit : kExitCodes) {
    text += fmt::format(".TP\n.B {}\n{}\n", exit.code, Roff(Sentence(exit.meaning)));
  }
  text += ".SH FILES\n.TP\n.B " + Roff(".env") +
          "\nVariables, in the working directory; read where there is nothing else. Names of older "
          "tools are understood there:\n";
  for (const OlderName& older : OlderNames()) {
    text += fmt::format(".br\n{} (\\-\\-{})\n", older.name, Roff(older.setting));
  }
  return text + ".TP\n.B " + Roff("~/.config/syncagent/config.toml") +
         "\nSettings; else /etc/syncagent/config.toml.\n.TP\n.B DIR/" + Roff(".syncagent") +
         "\nThe agent's state, and the trash.\n";
}

std::string Reference() {
  std::string text =
      "# syncagent\n\n"
      "Made by `syncagent man --markdown` from the program's own definitions.\n\n## Commands\n\n";
  for (const CommandDefinition& command : Commands()) {
    text += fmt::format("### `{}`\n\n{}", Usage(command), Sentence(command.summary));
    if (!command.synonyms.empty()) text += fmt::format(" Also called: {}.", command.synonyms);
    if (!command.details.empty()) text += fmt::format(" {}", command.details);
    text += "\n\n";
    for (const OptionDefinition& option : command.options) {
      text += fmt::format("- `{}`: {}\n", Spelling(option), SummaryWithDefault(option));
    }
    text +=
        fmt::format("{}```sh\n{}\n```\n\n", command.options.empty() ? "" : "\n", command.example);
  }
  text += fmt::format("## Settings\n\n{}\n", kSources);
  for (const TopicDefinition& topic : Topics()) {
    text += fmt::format("\n### {}\n\n", topic.summary);
    for (const OptionDefinition& option : Settings()) {
      if (option.topic != topic.topic) continue;
      text += fmt::format("- `{}`: {}{}. {}{}{}\n", Spelling(option), SummaryWithDefault(option),
                          option.repeatable ? "; may be repeated" : "", option.details,
                          option.details.empty() ? "" : " ", Where(option));
    }
  }
  text += "\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n";
  for (const ExitCode& exit : kExitCodes) {
    text += fmt::format("| {} | {} |\n", exit.code, exit.meaning);
  }
  text += "\n## Older names in .env\n\n| name | setting |\n| --- | --- |\n";
  for (const OlderName& older : OlderNames()) {
    text += fmt::format("| `{}` | `--{}` |\n", older.name, older.setting);
  }
  return text;
}

}  // namespace filesync
