// What `--help` and `syncagent help` say, made from the tables. Each fits a screen: 80 columns,
// 24 lines. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/option_table.h"

namespace filesync {

// Of the program: its commands.
std::string ProgramHelp();
std::string CommandHelp(const CommandDefinition& command);
std::string TopicHelp(const TopicDefinition& topic);
// Of whichever `name` names; nullopt: none.
std::optional<std::string> HelpFor(std::string_view name);

// "-s, --server HOST:PORT"; without the letter where there is none.
std::string Spelling(const OptionDefinition& option);
// The summary with its default: "the server (127.0.0.1:50051)".
std::string SummaryWithDefault(const OptionDefinition& option);
// "syncagent sync [OPTIONS] [DIR]".
std::string Usage(const CommandDefinition& command);
// Breaks `text` between words into lines of at most `columns`.
std::vector<std::string> Wrap(std::string_view text, size_t columns);

}  // namespace filesync
