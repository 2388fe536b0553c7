// Flags: what the command line asks for, as text, by the tables of agent/config.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/layer.h"

namespace filesync {

// What one command alone is asked: --json, --timeout.
using CommandFlags = std::map<std::string_view, std::vector<std::string>>;

struct ParsedFlags {
  // False: there is nothing (more) to do; help or an error was printed.
  bool run = false;
  int exit_code = 0;
  const CommandDefinition* command = nullptr;
  std::string argument;  // DIR or PATH of commands that take no settings
  Layer settings;
  CommandFlags flags;
};

// Prints help and errors itself.
ParsedFlags ParseFlags(int argc, const char* const* argv);

}  // namespace filesync
