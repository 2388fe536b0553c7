#include "agent/cli/print_json.h"
#include "agent/cli/output.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "agent/cli/exit_code.h"

namespace filesync {

int PrintJson(const google::protobuf::Message& message) {
  std::string json;
  google::protobuf::util::JsonPrintOptions print;
  print.add_whitespace = true;
  if (!google::protobuf::util::MessageToJsonString(message, &json, print).ok()) {
    Output(stderr, "syncagent: the answer can't be printed as JSON\n");
    return kExitSomeFailed;
  }
  Output("{}", json);
  return kExitInSync;
}

}  // namespace filesync
