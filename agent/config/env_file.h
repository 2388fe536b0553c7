// The .env file: NAME=VALUE lines, as docker and dotenv libraries read them.
//
//   # a comment
//   export SYNCAGENT_SERVER=host:50051
//   SYNCAGENT_LIMIT_UP='08:00 512k, 19:00 off'   # quotes: '…' as is, "…" with \n \t \" \\ \$
//   WATCH_DIR=./files                            # a name that older tools use
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/config/layer.h"

namespace filesync {

// `name` is what errors call the file. Names that are neither SYNCAGENT_… nor an older tool's
// belong to other programs and are passed over. Errors: InvalidArgument, with file, line and what
// was expected.
absl::StatusOr<Layer> ParseEnvFile(const std::string& name, std::string_view text);

}  // namespace filesync
