#include "agent/cli/flags.h"
#include "agent/cli/output.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>

#include "agent/cli/exit_code.h"
#include "agent/config/help.h"
#include "libs/base/status.h"
#include "libs/base/version.h"

namespace filesync {
namespace {

// What CLI11 writes into for one option of one command.
struct Slot {
  const OptionDefinition* option;
  CLI::App* app;
  bool is_setting;
  std::vector<std::string> texts;
  bool on = false;
};

class FlagParser {
 public:
  FlagParser() : app_("", "syncagent") {
    app_.set_version_flag("--version", fmt::format("syncagent {}", kVersion));
    app_.require_subcommand(0, 1);
    app_.positionals_at_end(false);
    AddSettings(&app_);
    // What happens without a command.
    for (const OptionDefinition& option : FindCommand("run")->options) {
      AddOption(&app_, option, false);
    }
    for (const CommandDefinition& command : Commands()) AddCommand(command);
  }

  ParsedFlags Parse(int argc, const char* const* argv) {
    ParsedFlags parsed;
    try {
      app_.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      Output("{}", asked_ == nullptr ? ProgramHelp() : CommandHelp(*asked_));
      return parsed;
    } catch (const CLI::CallForVersion&) {
      Output("syncagent {}\n", kVersion);
      return parsed;
    } catch (const CLI::ParseError& error) {
      const CommandDefinition* command = Parsed();
      Output(stderr, "syncagent: {}\nRun 'syncagent {}--help' for how to use it.\n", error.what(),
             command == nullptr ? "" : fmt::format("{} ", command->name));
      parsed.exit_code = kExitUsage;
      return parsed;
    }
    parsed.command = Parsed();
    if (parsed.command == nullptr) parsed.command = FindCommand("run");
    for (const Slot& slot : slots_) {
      if (!IsMisplaced(slot, *parsed.command)) continue;
      Output(stderr, "syncagent: --{}: '{}' does not take it\n", slot.option->name,
             parsed.command->name);
      parsed.exit_code = kExitUsage;
      return parsed;
    }
    parsed.run = true;
    parsed.argument = argument_;
    for (const Slot& slot : slots_) Take(slot, parsed);
    return parsed;
  }

 private:
  void AddCommand(const CommandDefinition& command) {
    CLI::App* parent = &app_;
    std::string name(command.name);
    if (const size_t space = name.find(' '); space != std::string::npos) {
      const std::string group = name.substr(0, space);
      CLI::App*& made = groups_[group];
      if (made == nullptr) {
        made = app_.add_subcommand(group);
        made->require_subcommand(1);
      }
      parent = made;
      name = name.substr(space + 1);
    }
    CLI::App* app = parent->add_subcommand(name);
    for (const std::string& synonym : CLI::detail::split(std::string(command.synonyms), ' ')) {
      if (!synonym.empty()) app->alias(synonym);
    }
    // Called as soon as the command's own arguments are read, before help is asked for.
    app->preparse_callback([this, &command](size_t) { asked_ = &command; });
    if (command.settings) AddSettings(app);
    for (const OptionDefinition& option : command.options) AddOption(app, option, false);
    if (!command.settings && !command.argument.empty()) {
      CLI::Option* argument = app->add_option(std::string(command.argument), argument_);
      if (command.argument.front() != '[') argument->required();
    }
    commands_.emplace_back(app, &command);
  }

  void AddSettings(CLI::App* app) {
    for (const OptionDefinition& option : Settings()) AddOption(app, option, true);
  }

  void AddOption(CLI::App* app, const OptionDefinition& option, bool is_setting) {
    Slot& slot = slots_.emplace_back(Slot{&option, app, is_setting, {}, false});
    std::string names = fmt::format("--{}", option.name);
    if (option.letter != 0) names += fmt::format(",-{}", option.letter);
    if (option.kind == ValueKind::kSwitch) {
      app->add_flag(names, slot.on);
      return;
    }
    // Also without the name.
    if (is_setting && option.name == "directory") names += ",DIR";
    CLI::Option* added = app->add_option(names, slot.texts)->allow_extra_args(false);
    if (!option.repeatable) added->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }

  const CommandDefinition* Parsed() const {
    for (const auto& [app, command] : commands_) {
      if (app->parsed()) return command;
    }
    return nullptr;
  }

  static bool IsGiven(const Slot& slot) {
    return slot.app->count(fmt::format("--{}", slot.option->name)) > 0;
  }

  // It stands before a command that is not asked this.
  bool IsMisplaced(const Slot& slot, const CommandDefinition& command) const {
    if (slot.app != &app_ || !IsGiven(slot)) return false;
    if (slot.is_setting) return !command.settings;
    return std::none_of(
        command.options.begin(), command.options.end(),
        [&](const OptionDefinition& option) { return option.name == slot.option->name; });
  }

  static void Take(const Slot& slot, ParsedFlags& parsed) {
    const OptionDefinition& option = *slot.option;
    if (!IsGiven(slot)) return;
    std::vector<std::string> texts = slot.texts;
    if (option.kind == ValueKind::kSwitch) texts = {slot.on ? "true" : "false"};
    if (slot.is_setting) {
      // What stands after the command comes later and decides, or is more.
      Setting& setting = parsed.settings[option.name];
      if (!option.repeatable) setting.texts.clear();
      std::move(texts.begin(), texts.end(), std::back_inserter(setting.texts));
      setting.where = fmt::format("--{}", option.name);
    } else if (slot.app->parsed() && (option.kind != ValueKind::kSwitch || slot.on)) {
      parsed.flags[option.name] = std::move(texts);
    }
  }

  CLI::App app_;
  std::map<std::string, CLI::App*> groups_;  // of commands of two words
  std::deque<Slot> slots_;
  std::vector<std::pair<CLI::App*, const CommandDefinition*>> commands_;
  const CommandDefinition* asked_ = nullptr;
  std::string argument_;
};

}  // namespace

ParsedFlags ParseFlags(int argc, const char* const* argv) { return FlagParser().Parse(argc, argv); }

}  // namespace filesync
