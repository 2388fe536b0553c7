// Frame: how a chunk stands on disk and on the wire.
//
//   byte 0      codec: 0 raw, 1 zstd (2 is reserved for encrypted)
//   bytes 1..4  plain size, big-endian
//   bytes 5..   payload
//
// The agent encodes once; the server stores the frame as it came, after checking it. A frame that
// is handed on is an absl::Cord: its bytes lie where they were read or received, often in several
// pieces, and are shared until the last holder lets go.
// Functions are thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "libs/content/content.h"

namespace filesync {

inline constexpr size_t kFrameHeaderSize = 5;
// No chunk is larger (storage format limit), so no frame may declare more.
inline constexpr size_t kMaxChunkSize = 2 << 20;
// A frame's largest encoding: header and a raw chunk.
inline constexpr size_t kMaxFrameSize = kFrameHeaderSize + kMaxChunkSize;

enum class FrameCodec : uint8_t { kRaw = 0, kZstd = 1 };

struct FrameOptions {
  int zstd_level = 3;  // 0: never compress
};

// Encodes `plain` (at most kMaxChunkSize bytes): zstd where a quick probe says that it pays,
// else raw. Never fails on valid sizes; the result is never larger than raw.
std::string EncodeFrame(std::string_view plain, const FrameOptions& options = {});

// The same, where a raw frame shares the bytes of `plain` and copies nothing.
absl::Cord EncodeFrame(const absl::Cord& plain, const FrameOptions& options = {});

// The plain size a frame declares; DataLoss when the header is short, the codec unknown or
// the size above kMaxChunkSize. Allocates nothing.
absl::StatusOr<uint32_t> FramePlainSize(std::string_view frame);
absl::StatusOr<uint32_t> FramePlainSize(const absl::Cord& frame);

// The plain bytes; those of a raw frame are shared, not copied. DataLoss when the frame does not
// decode to exactly its declared size; no more memory than that size is taken, whatever the
// payload claims.
absl::StatusOr<absl::Cord> DecodeFrame(const absl::Cord& frame);

// Decodes and checks that the bytes hash to `id` in `kind`'s domain: DataLoss when not.
absl::StatusOr<absl::Cord> DecodeAndVerifyFrame(const absl::Cord& frame, ChunkKind kind,
                                                const ChunkId& id);

}  // namespace filesync
