// Print: answers and complaints of commands.
#pragma once

#include <google/protobuf/message.h>

#include "absl/status/status.h"

namespace filesync {

// To stderr; returns the exit code.
int Complain(const absl::Status& status);
// To stdout, as protobuf JSON; returns the exit code.
int PrintJson(const google::protobuf::Message& message);

}  // namespace filesync
