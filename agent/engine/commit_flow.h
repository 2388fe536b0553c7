// CommitFlow: the way of a local change: dirty path → look → read → decide → upload → commit →
// record. It also decides everything that the apply flow was not sure of.
//
// Invariants: a path is in at most one round; a batch is kept in the state before it is sent and
// until it is answered, so a lost answer is asked for again with the same number; a deletion is
// only committed when the root is sound and not suddenly empty. Engine's thread; reading runs on
// the pool, uploading on two lanes (batches of small files, single large ones).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "agent/engine/apply_flow.h"
#include "agent/engine/deletion_gate.h"
#include "agent/engine/engine_context.h"
#include "agent/engine/incoming_gate.h"
#include "agent/engine/situation.h"
#include "agent/engine/uploader.h"

namespace filesync {

class CommitFlow {
 public:
  CommitFlow(EngineContext* context, ApplyFlow* apply, DeletionGate* gate, IncomingGate* incoming,
             Executor* lane, Executor* large_lane);

  // Starts what can be; true when something moved.
  bool Step();
  void OnCommitResult(uint64_t batch, CommitResult result, const std::string& failure);
  // Sends the batches again whose answer never came. While any is unanswered, Resolving().
  absl::Status Resend();
  // The state was put back, or lost its end: this agent has had more than what it knew at
  // `version`. nullopt: its bases are what was agreed on last.
  void SetBehind(std::optional<uint64_t> version) {
    behind_ = version;
    if (!behind_.has_value()) edits_.clear();
  }
  bool behind() const { return behind_.has_value(); }
  bool Resolving() const { return !resent_.empty(); }
  // Forgets the batches that were not answered; their paths are looked at again.
  absl::Status DropPending();
  // The stream is gone: what was not answered is kept for Resend.
  void OnClosed();
  bool Idle() const { return rounds_ == 0 && awaiting_.empty() && resent_.empty(); }

 private:
  struct Round;
  struct Batch;
  using RoundPtr = std::shared_ptr<Round>;
  using BatchPtr = std::shared_ptr<Batch>;

  void StartRound(std::vector<RelPath> paths);
  void Add(const RelPath& path, Round& round, bool with_its_directory = false);
  void PutAway(const RelPath& path);
  void LookAtOtherNames(const LocalEntry& file);
  void Take(const RelPath& path, Round& round);
  void TakeGone(const BaseRow& row, Round& round);
  void AddMovedTree(const Situation& directory, const BaseRow& from, Round& round);
  bool FindMove(Situation& situation, Round& round);
  bool FollowsRename(const Situation& situation);
  bool EditedElsewhere(const Situation& situation) const;
  bool TakeEdit(Situation& situation, const BaseRow& from, Round& round);
  void AddFollowedEdit(const Situation& situation, Batch& batch);
  absl::Status TakeOverBase(const Entry& entry);
  void Read(RoundPtr round);
  void DecideAll(RoundPtr round);
  void PartMoves(Round& round);
  bool PassesGates(const Situation& situation, const Action& action, const Round& round);
  bool ApplyAllowed();
  void ApplyIfStillLost(const RelPath& path, std::vector<Situation>& to_apply);
  bool MayRemoveDirectory(const Situation& directory);
  void Abandon(const Round& round);
  void SettleHere(const RelPath& path, const absl::Status& noted);
  void NoteConflict(const RelPath& path, const Action& action);
  void DecideOne(Situation& situation, Round& round, Batch& batch,
                 std::vector<Situation>& to_apply);
  void Restore(Situation& situation, std::vector<Situation>& to_apply);
  bool ReadAgainToCompare(Situation& situation);
  bool MayBeNoEdit(const Situation& situation) const;
  void AskHistory(const Situation& situation, Batch& batch);
  uint64_t KnownVersion(const Situation& situation) const;
  void AddUpload(Situation& situation, const Round& round, Batch& batch);
  void AddDeletion(const Situation& situation, Batch& batch);
  void AddRemoteAside(const Situation& situation, Batch& batch);
  void Send(BatchPtr batch, bool large);
  void Sending(const BatchPtr& batch);
  void KeepPieces(const Batch& batch);
  void FinishRound(Batch& batch);
  void Unsent(const BatchPtr& batch, const absl::Status& why);
  void NotCommitted(const std::vector<PendingChange>& changes, const absl::Status& why);
  void ScanMoved(const std::vector<PendingChange>& changes);
  absl::Status Settle(const PendingChange& pending, const ChangeOutcome& outcome);
  absl::Status SettleRejected(const Entry& entry, const ChangeOutcome& outcome);

  EngineContext* const context_;
  ApplyFlow* const apply_;
  DeletionGate* const gate_;
  IncomingGate* const incoming_;
  Executor* const lane_;
  Executor* const large_lane_;
  Uploader uploader_;
  Uploader large_uploader_;
  int rounds_ = 0;        // being read, decided or uploaded
  int large_rounds_ = 0;  // of these, single large files
  std::map<uint64_t, BatchPtr> awaiting_;
  std::set<uint64_t> resent_;
  // Chunks that the server turned out to lack though the base said it had them.
  std::set<RelPath> check_all_;
  // Moves that were refused: the halves go separately.
  std::set<RelPath> no_move_;
  // How often a rename was committed with what was edited elsewhere, by its new name.
  std::map<RelPath, int> follow_attempts_;
  // What differs from base and folder and was never agreed on: by the version of the folder's entry
  // against which it was asked.
  std::map<RelPath, uint64_t> edits_;
  std::optional<uint64_t> behind_;
};

}  // namespace filesync
