#include "services/sync/commit_runner.h"

#include <algorithm>
#include <utility>

#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/content/frame.h"
#include "libs/wire/convert.h"

namespace filesync {
namespace {

constexpr int kOutcomesPerMessage = 1000;
// Superseded outcomes carry whole entries.
constexpr size_t kAnswerBytes = 3 << 20;

void Count(const SyncMetrics& metrics, const std::vector<Change>& changes,
           const CommitResult& result) {
  if (result.repeated) return;
  metrics.commits.Increment();
  for (size_t i = 0; i < result.outcomes.size(); ++i) {
    switch (result.outcomes[i].kind) {
      case ChangeOutcome::Kind::kAccepted:
        metrics.accepted.Increment();
        if (!changes[i].conflict_of.IsRoot()) metrics.conflicts.Increment();
        break;
      case ChangeOutcome::Kind::kSuperseded:
        metrics.superseded.Increment();
        break;
      case ChangeOutcome::Kind::kMissingChunks:
        metrics.missing_chunks.Increment();
        break;
      case ChangeOutcome::Kind::kRejected:
        metrics.rejected.Increment();
        break;
    }
  }
}

CommitAnswer ToAnswer(uint64_t batch, const CommitResult& result) {
  CommitAnswer answer;
  v1::CommitResult* message = nullptr;
  size_t bytes = 0;
  const auto begin_message = [&] {
    message = answer.messages.emplace_back().mutable_commit_result();
    message->set_batch(batch);
    message->set_head_version(result.head_version);
    bytes = 0;
  };
  begin_message();
  for (const ChangeOutcome& outcome : result.outcomes) {
    v1::ChangeOutcome proto;
    ToProto(outcome, &proto);
    const size_t size = proto.ByteSizeLong();
    if (message->outcomes_size() > 0 &&
        (message->outcomes_size() == kOutcomesPerMessage || bytes + size > kAnswerBytes)) {
      message->set_more(true);
      begin_message();
    }
    bytes += size;
    *message->add_outcomes() = std::move(proto);
    if (outcome.kind == ChangeOutcome::Kind::kAccepted) answer.accepted.push_back(outcome.version);
  }
  return answer;
}

absl::StatusOr<CommitResult> Commit(const SyncDependencies& dependencies,
                                    const CommitRequest& request, absl::Status refused) {
  FS_RETURN_IF_ERROR(refused);
  const bool adds = std::any_of(request.changes.begin(), request.changes.end(),
                                [](const Change& change) { return change.entry.IsLive(); });
  if (adds) FS_RETURN_IF_ERROR(dependencies.reserve->ForEntries());
  absl::StatusOr<CommitResult> result = dependencies.metadata->Commit(
      request, NewListReader(dependencies.metadata, dependencies.chunks, request.folder));
  dependencies.reserve->Note(result.status());
  return result;
}

// The agent may send the batch again later and get another answer.
bool IsPassing(const absl::Status& status) {
  return !absl::IsInvalidArgument(status) && !absl::IsFailedPrecondition(status) &&
         !absl::IsNotFound(status);
}

}  // namespace

absl::StatusOr<CommitAnswer> RunCommit(const SyncDependencies& dependencies, FolderId folder,
                                       const std::string& agent_id, CommitBatch batch) {
  CommitRequest request{folder, agent_id, batch.number, std::move(batch.changes)};
  const absl::StatusOr<CommitResult> result =
      Commit(dependencies, request, std::move(batch.refused));
  if (!result.ok()) {
    if (!IsPassing(result.status())) return result.status();
    // Nobody knows what became of it. An answer would say that nothing did: the agent asks again.
    if (absl::IsUnavailable(result.status())) return result.status();
    // A full disk is said by the reserve, once.
    if (!absl::IsResourceExhausted(result.status())) {
      dependencies.log->Error("batch {} of agent {} was not committed: {}", batch.number,
                              HexEncode(agent_id), Describe(result.status()));
    }
    CommitAnswer answer;
    v1::CommitResult* message = answer.messages.emplace_back().mutable_commit_result();
    message->set_batch(batch.number);
    message->set_failure(std::string(ToStd(result.status().message())));
    return answer;
  }
  Count(*dependencies.metrics, request.changes, *result);
  if (dependencies.committed) dependencies.committed(folder, agent_id);
  return ToAnswer(batch.number, *result);
}

ListReader NewListReader(MetadataStore* metadata, ChunkStore* chunks, FolderId folder) {
  return [metadata, chunks,
          folder](const std::vector<ChunkId>& ids) -> absl::StatusOr<std::vector<std::string>> {
    FS_ASSIGN_OR_RETURN(const std::vector<bool> members, metadata->AreMembers(folder, ids));
    FS_ASSIGN_OR_RETURN(const auto frames, chunks->Get(ids));
    std::vector<std::string> plain;
    plain.reserve(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      if (!members[i] || !frames[i].has_value()) {
        return NotFound("list piece {} is not stored", ids[i].ToHex());
      }
      FS_ASSIGN_OR_RETURN(const absl::Cord bytes,
                          DecodeAndVerifyFrame(*frames[i], ChunkKind::kList, ids[i]));
      plain.emplace_back(bytes);
    }
    return plain;
  };
}

}  // namespace filesync
