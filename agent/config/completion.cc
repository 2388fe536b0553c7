#include "agent/config/completion.h"

#include <fmt/format.h>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "agent/config/option_table.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

std::string Quoted(std::string_view text) {
  return "'" + absl::StrReplaceAll(ToAbsl(text), {{"'", "'\\''"}}) + "'";
}

std::string FirstWord(std::string_view text) { return std::string(text.substr(0, text.find(' '))); }

// Every option with the command it belongs to; settings once, with no command.
template <typename Visit>
void ForEachOption(Visit visit) {
  for (const OptionDefinition& option : Settings()) visit(option, nullptr);
  for (const CommandDefinition& command : Commands()) {
    for (const OptionDefinition& option : command.options) visit(option, &command);
  }
}

std::string CommandWords() {
  std::string words;
  for (const CommandDefinition& command : Commands()) {
    words += fmt::format(" {}", FirstWord(command.name));
    if (!command.synonyms.empty()) words += fmt::format(" {}", command.synonyms);
  }
  return words.substr(1);
}

std::string SettingFlags() {
  std::string flags;
  for (const OptionDefinition& option : Settings()) flags += fmt::format(" --{}", option.name);
  return flags.substr(1);
}

// What bash completes after an option.
std::string BashValues(const OptionDefinition& option) {
  switch (option.kind) {
    case ValueKind::kChoice:
      return fmt::format("COMPREPLY=($(compgen -W {} -- \"$word\"))", Quoted(option.choices));
    case ValueKind::kFile:
      return "COMPREPLY=($(compgen -f -- \"$word\"))";
    case ValueKind::kDirectory:
      return "COMPREPLY=($(compgen -d -- \"$word\"))";
    case ValueKind::kText:
    case ValueKind::kSwitch:
      break;
  }
  return "COMPREPLY=()";
}

std::string Bash() {
  std::string text =
      "# bash completion for syncagent\n"
      "_syncagent() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=\"\" w\n"
      "  local settings=" +
      Quoted(SettingFlags()) +
      "\n"
      "  compopt -o filenames 2>/dev/null\n"
      "  case $before in\n";
  ForEachOption([&](const OptionDefinition& option, const CommandDefinition*) {
    if (option.kind == ValueKind::kSwitch) return;
    const std::string letter = option.letter == 0 ? "" : fmt::format("|-{}", option.letter);
    text += fmt::format("    --{}{}) {}; return ;;\n", option.name, letter, BashValues(option));
  });
  text +=
      "    completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\")); return ;;\n"
      "    ignore) COMPREPLY=($(compgen -W test -- \"$word\")); return ;;\n"
      "  esac\n"
      "  for w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case $w in -*) ;; *) command=$w; break ;; esac\n"
      "  done\n"
      "  if [[ $word == -* ]]; then\n"
      "    case $command in\n";
  for (const CommandDefinition& command : Commands()) {
    std::string flags = "--help";
    for (const OptionDefinition& option : command.options) {
      flags += fmt::format(" --{}", option.name);
    }
    text += fmt::format("      {}) COMPREPLY=($(compgen -W \"{}{}\" -- \"$word\")) ;;\n",
                        FirstWord(command.name), flags, command.settings ? " $settings" : "");
  }
  text +=
      "      *) COMPREPLY=($(compgen -W \"--help --version $settings\" -- \"$word\")) ;;\n"
      "    esac\n"
      "  elif [[ -z $command ]]; then\n"
      "    COMPREPLY=($(compgen -W " +
      Quoted(CommandWords()) +
      " -- \"$word\") $(compgen -d -- \"$word\"))\n"
      "  else\n"
      "    COMPREPLY=($(compgen -f -- \"$word\"))\n"
      "  fi\n"
      "}\n"
      "complete -F _syncagent syncagent\n";
  return text;
}

std::string ZshAction(const OptionDefinition& option) {
  switch (option.kind) {
    case ValueKind::kChoice:
      return fmt::format(":{}:({})", option.name, option.choices);
    case ValueKind::kFile:
      return fmt::format(":{}:_files", option.name);
    case ValueKind::kDirectory:
      return fmt::format(":{}:_files -/", option.name);
    case ValueKind::kText:
      return fmt::format(":{}:", option.name);
    case ValueKind::kSwitch:
      break;
  }
  return "";
}

// One argument of _arguments; '[' and ':' mean something to it.
std::string ZshOption(const OptionDefinition& option) {
  const std::string summary =
      absl::StrReplaceAll(ToAbsl(option.summary), {{"[", "\\["}, {"]", "\\]"}, {":", "\\:"}});
  return Quoted(fmt::format("{}--{}[{}]{}", option.repeatable ? "*" : "", option.name, summary,
                            ZshAction(option)));
}

std::string Zsh() {
  std::string text =
      "#compdef syncagent\n"
      "_syncagent() {\n"
      "  local -a commands settings\n"
      "  commands=(\n";
  for (const CommandDefinition& command : Commands()) {
    text += fmt::format("    {}\n",
                        Quoted(fmt::format("{}:{}", FirstWord(command.name), command.summary)));
  }
  text += "  )\n  settings=(\n";
  for (const OptionDefinition& option : Settings()) text += "    " + ZshOption(option) + "\n";
  text +=
      "  )\n"
      "  local command=${words[(r)[a-z]*]}\n"
      "  if (( CURRENT > 2 )); then\n"
      "    command=${${words[2,CURRENT-1]}[(r)[a-z]*]}\n"
      "    case $command in\n";
  for (const CommandDefinition& command : Commands()) {
    std::string options;
    for (const OptionDefinition& option : command.options) options += " " + ZshOption(option);
    text += fmt::format("      {}) _arguments{}{} '*:path:_files'; return ;;\n",
                        FirstWord(command.name), command.settings ? " $settings" : "", options);
  }
  text +=
      "    esac\n"
      "  fi\n"
      "  _arguments $settings '1: :->command' '*:path:_files'\n"
      "  [[ $state == command ]] && { _describe command commands; _files -/ }\n"
      "}\n"
      "_syncagent \"$@\"\n";
  return text;
}

std::string FishOption(const OptionDefinition& option, const CommandDefinition* command) {
  std::string line = "complete -c syncagent";
  if (command != nullptr) {
    line += fmt::format(" -n '__fish_seen_subcommand_from {}'", FirstWord(command->name));
  }
  line += fmt::format(" -l {}", option.name);
  if (option.letter != 0) line += fmt::format(" -s {}", option.letter);
  switch (option.kind) {
    case ValueKind::kChoice:
      line += fmt::format(" -x -a {}", Quoted(option.choices));
      break;
    case ValueKind::kFile:
      line += " -r -F";
      break;
    case ValueKind::kDirectory:
      line += " -x -a '(__fish_complete_directories)'";
      break;
    case ValueKind::kText:
      line += " -x";
      break;
    case ValueKind::kSwitch:
      break;
  }
  return line + " -d " + Quoted(option.summary) + "\n";
}

std::string Fish() {
  std::string text = "# fish completion for syncagent\n";
  for (const CommandDefinition& command : Commands()) {
    text += fmt::format("complete -c syncagent -n __fish_use_subcommand -a {} -d {}\n",
                        FirstWord(command.name), Quoted(command.summary));
  }
  ForEachOption([&](const OptionDefinition& option, const CommandDefinition* command) {
    text += FishOption(option, command);
  });
  return text +
         "complete -c syncagent -n '__fish_seen_subcommand_from completion' -x -a "
         "'bash zsh fish'\n"
         "complete -c syncagent -n '__fish_seen_subcommand_from ignore' -x -a test\n";
}

}  // namespace

std::optional<std::string> CompletionScript(std::string_view shell) {
  if (shell == "bash") return Bash();
  if (shell == "zsh") return Zsh();
  if (shell == "fish") return Fish();
  return std::nullopt;
}

}  // namespace filesync
