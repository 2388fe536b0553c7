// syncagent: the program.

#include "agent/cli/options.h"
#include "agent/cli/run_command.h"
#include "libs/base/proc.h"

int main(int argc, char** argv) {
  filesync::KeepFreedBuffers();
  const filesync::ParsedOptions parsed = filesync::ParseOptions(argc, argv);
  if (!parsed.run) return parsed.exit_code;
  return parsed.options.command == filesync::Command::kStatus ? filesync::RunStatus(parsed.options)
                                                              : filesync::RunSync(parsed.options);
}
