// AdminCall: what calls of AdminService from an agent's host share. For this library's own use.
// Thread-safe.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace filesync {

inline constexpr auto kAdminCallDeadline = std::chrono::seconds(15);

absl::Time ToTime(const google::protobuf::Timestamp& time);

// `status` of a call to `server`, in words for people where the server can't be reached or has no
// such call; `purpose` is what it is too old for, "list conflicts".
absl::Status ExplainAdminCall(const absl::Status& status, const std::string& server,
                              const char* purpose);

}  // namespace filesync
