// syncagent: the program.

#include "agent/cli/ask_commands.h"
#include "agent/cli/conflicts_command.h"
#include "agent/cli/options.h"
#include "agent/cli/resolve_command.h"
#include "agent/cli/run_command.h"
#include "libs/base/proc.h"

int main(int argc, char** argv) {
  filesync::KeepFreedBuffers();
  const filesync::ParsedOptions parsed = filesync::ParseOptions(argc, argv);
  if (!parsed.run) return parsed.exit_code;
  switch (parsed.options.command) {
    case filesync::Command::kStatus:
      return filesync::RunStatus(parsed.options);
    case filesync::Command::kWait:
      return filesync::RunWait(parsed.options);
    case filesync::Command::kIgnoreTest:
      return filesync::RunIgnoreTest(parsed.options);
    case filesync::Command::kConfirm:
    case filesync::Command::kUndo:
      return filesync::RunHeld(parsed.options);
    case filesync::Command::kPause:
    case filesync::Command::kResume:
      return filesync::RunPause(parsed.options);
    case filesync::Command::kConflicts:
      return filesync::RunConflicts(parsed.options);
    case filesync::Command::kResolve:
      return filesync::RunResolve(parsed.options);
    case filesync::Command::kRun:
    case filesync::Command::kSync:
      break;
  }
  return filesync::RunSync(parsed.options);
}
