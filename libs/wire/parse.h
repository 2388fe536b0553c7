// Parse: fields that several messages have, checked; each is InvalidArgument where it breaks a
// rule. For this library's own use. Thread-safe.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "libs/content/content.h"
#include "libs/paths/rel_path.h"

namespace filesync {

// 32 bytes.
absl::StatusOr<ChunkId> ParseChunkId(std::string_view bytes);
// `what` names the field in the message.
absl::StatusOr<RelPath> ParsePath(std::string_view bytes, std::string_view what);

}  // namespace filesync
