#include "libs/wire/admin_call.h"

#include "libs/base/status.h"

namespace filesync {

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::Status ExplainAdminCall(const absl::Status& status, const std::string& server,
                              const char* purpose) {
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) {
    return Unavailable("the server {} can't be reached: {}", server, ToStd(status.message()));
  }
  if (absl::IsUnimplemented(status)) {
    return FailedPrecondition("the server {} is too old to {}", server, purpose);
  }
  return status;
}

}  // namespace filesync
