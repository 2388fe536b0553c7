#include "libs/content/frame.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

// The probe compresses this much from the middle at the fastest level; less than 1/32 saved
// there means that the rest will not pay either.
constexpr size_t kProbeSize = 4 << 10;
constexpr size_t kProbeFrom = 16 << 10;
constexpr size_t kSmallestSaving = 32;

struct ContextDeleter {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

ZSTD_CCtx* Compressor() {
  thread_local std::unique_ptr<ZSTD_CCtx, ContextDeleter> context(ZSTD_createCCtx());
  return context.get();
}

ZSTD_DCtx* Decompressor() {
  thread_local std::unique_ptr<ZSTD_DCtx, ContextDeleter> context(ZSTD_createDCtx());
  return context.get();
}

bool ProbablyCompressible(std::string_view plain) {
  if (plain.size() < kProbeFrom) return true;
  char buffer[kProbeSize + 512];
  const std::string_view sample = plain.substr(plain.size() / 2, kProbeSize);
  const size_t size =
      ZSTD_compressCCtx(Compressor(), buffer, sizeof(buffer), sample.data(), sample.size(), 1);
  return !ZSTD_isError(size) && size < sample.size() - sample.size() / 32;
}

void AppendHeader(std::string& frame, FrameCodec codec, size_t plain_size) {
  frame.push_back(static_cast<char>(codec));
  AppendBigEndian32(frame, static_cast<uint32_t>(plain_size));
}

// The zstd frame, when it is smaller than the raw one.
std::optional<std::string> Compressed(std::string_view plain, const FrameOptions& options) {
  if (options.zstd_level == 0 || plain.size() <= kSmallestSaving || !ProbablyCompressible(plain)) {
    return std::nullopt;
  }
  std::string frame;
  AppendHeader(frame, FrameCodec::kZstd, plain.size());
  // Room for less than raw only: when it does not fit, it does not pay.
  frame.resize(kFrameHeaderSize + plain.size() - kSmallestSaving);
  const size_t size = ZSTD_compressCCtx(Compressor(), frame.data() + kFrameHeaderSize,
                                        frame.size() - kFrameHeaderSize, plain.data(), plain.size(),
                                        options.zstd_level);
  if (ZSTD_isError(size)) return std::nullopt;
  frame.resize(kFrameHeaderSize + size);
  return frame;
}

absl::Status CheckRawSize(size_t payload, uint32_t declared) {
  if (payload == declared) return absl::OkStatus();
  return DataLoss("the frame declares {} bytes and holds {}", declared, payload);
}

absl::StatusOr<std::string> Decompress(std::string_view payload, uint32_t size) {
  std::string plain(size, '\0');
  const size_t got = ZSTD_decompressDCtx(Decompressor(), plain.data(), plain.size(), payload.data(),
                                         payload.size());
  if (ZSTD_isError(got)) {
    return DataLoss("the frame does not decompress: {}", ZSTD_getErrorName(got));
  }
  if (got != size) return DataLoss("the frame declares {} bytes and holds {}", size, got);
  return plain;
}

// `bytes` in one piece: where they are, or copied to `scratch`.
std::string_view InOnePiece(const absl::Cord& bytes, std::string& scratch) {
  if (const auto flat = bytes.TryFlat(); flat.has_value()) return {flat->data(), flat->size()};
  absl::CopyCordToString(bytes, &scratch);
  return scratch;
}

}  // namespace

std::string EncodeFrame(std::string_view plain, const FrameOptions& options) {
  std::optional<std::string> compressed = Compressed(plain, options);
  if (compressed.has_value()) return *std::move(compressed);
  std::string frame;
  frame.reserve(kFrameHeaderSize + plain.size());
  AppendHeader(frame, FrameCodec::kRaw, plain.size());
  frame.append(plain);
  return frame;
}

absl::Cord EncodeFrame(const absl::Cord& plain, const FrameOptions& options) {
  std::string scratch;
  std::optional<std::string> compressed = Compressed(InOnePiece(plain, scratch), options);
  if (compressed.has_value()) return absl::Cord(*std::move(compressed));
  std::string header;
  AppendHeader(header, FrameCodec::kRaw, plain.size());
  absl::Cord frame(header);
  frame.Append(plain);
  return frame;
}

absl::StatusOr<uint32_t> FramePlainSize(std::string_view frame) {
  if (frame.size() < kFrameHeaderSize) return DataLoss("the frame is shorter than its header");
  const auto codec = static_cast<uint8_t>(frame[0]);
  if (codec != static_cast<uint8_t>(FrameCodec::kRaw) &&
      codec != static_cast<uint8_t>(FrameCodec::kZstd)) {
    return DataLoss("the frame has the unknown codec {}", codec);
  }
  const uint32_t size = ReadBigEndian32(frame.data() + 1);
  if (size > kMaxChunkSize) {
    return DataLoss("the frame declares {} bytes, more than the {} of the largest chunk", size,
                    kMaxChunkSize);
  }
  return size;
}

absl::StatusOr<uint32_t> FramePlainSize(const absl::Cord& frame) {
  char header[kFrameHeaderSize];
  size_t have = 0;
  for (const absl::string_view piece : frame.Chunks()) {
    const size_t more = std::min(piece.size(), kFrameHeaderSize - have);
    std::memcpy(header + have, piece.data(), more);
    have += more;
    if (have == kFrameHeaderSize) break;
  }
  return FramePlainSize(std::string_view(header, have));
}

absl::StatusOr<absl::Cord> DecodeFrame(const absl::Cord& frame) {
  FS_ASSIGN_OR_RETURN(const uint32_t size, FramePlainSize(frame));
  absl::Cord payload = frame;
  payload.RemovePrefix(kFrameHeaderSize);
  if (static_cast<FrameCodec>(frame[0]) == FrameCodec::kRaw) {
    FS_RETURN_IF_ERROR(CheckRawSize(payload.size(), size));
    return payload;
  }
  std::string scratch;
  FS_ASSIGN_OR_RETURN(std::string plain, Decompress(InOnePiece(payload, scratch), size));
  return absl::Cord(std::move(plain));
}

absl::StatusOr<absl::Cord> DecodeAndVerifyFrame(const absl::Cord& frame, ChunkKind kind,
                                                const ChunkId& id) {
  FS_ASSIGN_OR_RETURN(absl::Cord plain, DecodeFrame(frame));
  if (HashChunk(kind, plain) == id) return plain;
  return DataLoss("chunk {} does not hash to its id", id.ToHex());
}

}  // namespace filesync
