// GrpcStatus: absl::Status to grpc::Status and back; codes and messages are kept. Thread-safe.
#pragma once

#include "absl/status/status.h"

namespace grpc {
class Status;
}

namespace filesync {

grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace filesync
