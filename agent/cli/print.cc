#include "agent/cli/print.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "agent/cli/exit_code.h"
#include "libs/base/status.h"

namespace filesync {

int Complain(const absl::Status& status) {
  fmt::print(stderr, "syncagent: {}\n", ToStd(status.message()));
  return absl::IsNotFound(status) ? kExitUsage : kExitSomeFailed;
}

int PrintJson(const google::protobuf::Message& message) {
  std::string json;
  google::protobuf::util::JsonPrintOptions print;
  print.add_whitespace = true;
  if (!google::protobuf::util::MessageToJsonString(message, &json, print).ok()) {
    return Complain(Internal("the answer can't be printed as JSON"));
  }
  fmt::print("{}", json);
  return kExitInSync;
}

}  // namespace filesync
