// syncagent: the program.

#include <map>

#include "agent/cli/ask_commands.h"
#include "agent/cli/conflicts_command.h"
#include "agent/cli/doctor_command.h"
#include "agent/cli/event_commands.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/explain_commands.h"
#include "agent/cli/invocation.h"
#include "agent/cli/list_command.h"
#include "agent/cli/output.h"
#include "agent/cli/resolve_command.h"
#include "agent/cli/run_command.h"
#include "agent/cli/versions_command.h"
#include "libs/base/proc.h"

namespace {

using Command = int (*)(const filesync::Invocation&);

const std::map<std::string_view, Command>& CommandFunctions() {
  static const auto* const kFunctions = new std::map<std::string_view, Command>{
      {"run", filesync::RunSync},        {"sync", filesync::RunSync},
      {"status", filesync::RunStatus},   {"list", filesync::RunList},
      {"wait", filesync::RunWait},       {"pause", filesync::RunPause},
      {"resume", filesync::RunPause},    {"confirm", filesync::RunHeld},
      {"undo", filesync::RunHeld},       {"conflicts", filesync::RunConflicts},
      {"resolve", filesync::RunResolve}, {"events", filesync::RunEvents},
      {"config", filesync::RunConfig},   {"ignore test", filesync::RunIgnoreTest},
      {"doctor", filesync::RunDoctor},   {"versions", filesync::RunVersions},
      {"help", filesync::RunHelp},       {"completion", filesync::RunCompletion},
      {"man", filesync::RunMan},
  };
  return *kFunctions;
}

}  // namespace

int main(int argc, char** argv) {
  filesync::KeepFreedBuffers();
  filesync::CheckNoLockOrder();
  filesync::ParsedFlags parsed = filesync::ParseFlags(argc, argv);
  if (!parsed.run) return parsed.exit_code;
  const filesync::Invocation asked = {parsed.command, std::move(parsed.argument),
                                      std::move(parsed.settings), std::move(parsed.flags)};
  const int code = CommandFunctions().at(asked.command->name)(asked);
  // Data that is not all there must not look like all there is. What an agent says while it works
  // is no data.
  const bool works = asked.command->name == "run" || asked.command->name == "sync";
  const bool data = !works || asked.Has("json");
  if (!data || filesync::OutputArrived() || code != filesync::kExitInSync) return code;
  fputs("syncagent: the output could not be written\n", stderr);
  return filesync::kExitSomeFailed;
}
