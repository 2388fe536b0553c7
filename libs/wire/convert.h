// Convert: between the wire's messages and the model. Thread-safe.
//
// Every field that arrives is validated here and only here: what FromProto returns keeps every
// limit and rule of form of the protocol, so the rest of the program need not look again. A
// message that breaks one is InvalidArgument, with a sentence that names the field.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "filesync/v1/sync.pb.h"
#include "filesync/v1/types.pb.h"
#include "libs/chunk_store/chunk_store.h"
#include "libs/metadata/metadata_store.h"
#include "libs/model/conflict.h"
#include "libs/model/entry.h"
#include "libs/model/upcoming.h"

namespace filesync {

inline constexpr uint32_t kProtocolVersion = 1;
inline constexpr size_t kAgentIdBytes = 16;
inline constexpr size_t kIncarnationIdBytes = 16;
inline constexpr size_t kMaxAgentNameBytes = 64;
inline constexpr size_t kMaxSoftwareBytes = 128;
// Limits of one message or batch; see Limits in sync.proto.
inline constexpr size_t kMaxMessageBytes = 4 << 20;
inline constexpr size_t kMaxChangesPerMessage = 1000;
inline constexpr size_t kMaxChangesPerBatch = 200'000;
inline constexpr size_t kMaxIdsPerMessage = 10'000;
inline constexpr size_t kMaxInlineBytes = 64 << 10;
inline constexpr size_t kMaxUpcomingChunks = 1000;
// Chunks are packed into messages of about this many bytes.
inline constexpr size_t kPackedBytes = 1 << 20;

void ToProto(const Content& content, v1::Content* proto);
absl::StatusOr<Content> FromProto(const v1::Content& proto);

void ToProto(const Entry& entry, v1::Entry* proto);
absl::StatusOr<Entry> FromProto(const v1::Entry& proto);

void ToProto(const Change& change, v1::Change* proto);
// What only the server sets (version, author, time of commit) is dropped.
absl::StatusOr<Change> FromProto(const v1::Change& proto);

void ToProto(const ChangeOutcome& outcome, v1::ChangeOutcome* proto);
absl::StatusOr<ChangeOutcome> FromProto(const v1::ChangeOutcome& proto);

void ToProto(const Cursor& cursor, v1::Cursor* proto);
absl::StatusOr<Cursor> FromProto(const v1::Cursor& proto);

void ToProto(const Incarnation& incarnation, v1::Incarnation* proto);
absl::StatusOr<Incarnation> FromProto(const v1::Incarnation& proto);

// Whether it decodes to its id is the chunk store's to check.
void ToProto(const StoredChunk& chunk, v1::PackedChunk* proto);
absl::StatusOr<StoredChunk> FromProto(v1::PackedChunk&& proto);
// The same, with a frame that came beside the message.
absl::StatusOr<StoredChunk> FromProto(const v1::PackedChunk& proto, absl::Cord frame);

void ToProto(const UpcomingPart& part, v1::UpcomingPart* proto);
absl::StatusOr<UpcomingPart> FromProto(const v1::UpcomingPart& proto);

// At most kMaxIdsPerMessage ids of 32 bytes.
absl::StatusOr<std::vector<ChunkId>> ChunkIdsFromProto(
    const google::protobuf::RepeatedPtrField<std::string>& ids);

void ToProto(const ConflictReport& report, v1::HeldConflicts* proto);
// At most kMaxReportedConflicts, each path once; the result is in path order.
absl::StatusOr<ConflictReport> FromProto(const v1::HeldConflicts& proto);

// Who says Hello, and what for.
struct HelloFields {
  std::string agent_id;
  std::string agent_name;
  std::string folder;
  bool create_folder = false;
  Cursor cursor;
  std::string software;
  bool observe = false;
  bool upcoming = false;
};
absl::StatusOr<HelloFields> FromProto(const v1::Hello& proto);

// 16 bytes.
absl::Status ValidateAgentId(std::string_view id);
// 1 to `max_bytes` bytes of printable UTF-8; `what` names the field in the message.
absl::Status ValidateReadableName(std::string_view name, size_t max_bytes, std::string_view what);

}  // namespace filesync
