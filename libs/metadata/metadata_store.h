// MetadataStore: folders, entries, history, membership and the commit transaction.
//
// What it keeps true (ordering.md's rules 3, 4 and 6): a version is given out once; a commit is
// all-durable before it is visible; nothing is read above a folder's published head; the tree
// of live entries is valid after every commit (every ancestor of a live entry is a live
// directory); a batch has one outcome for ever. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/chunking/content_list.h"
#include "libs/kv/kv_store.h"
#include "libs/model/conflict.h"
#include "libs/model/entry.h"

namespace filesync {

using FolderId = uint64_t;

inline constexpr size_t kMaxFolderNameBytes = 128;
inline constexpr size_t kMaxFolderRulesBytes = 64 << 10;

struct FolderInfo {
  FolderId id = 0;
  std::string name;
  uint64_t head_version = 0;  // published
  uint64_t live_entries = 0;  // files, directories, symlinks
  uint64_t live_bytes = 0;    // sum of live files' sizes
  int64_t created_at_ns = 0;
  // Ignore rules that hold for all agents, as the text of a .syncignore file; null: none.
  std::shared_ptr<const std::string> rules;
  // The head when an agent was last forgotten: one without a row that has seen no more than this
  // may be it. 0: none ever was.
  uint64_t forgotten_through = 0;
};

enum class RejectReason : uint8_t {
  kMalformed = 1,      // breaks a limit or a rule of form
  kParentMissing = 2,  // an ancestor is not a live directory
  kNotEmpty = 3,       // live entries below what would become a file or a tombstone
  kMovePartner = 4,    // the other half of the move was not accepted
};

struct ChangeOutcome {
  enum class Kind : uint8_t { kAccepted, kSuperseded, kMissingChunks, kRejected };
  Kind kind = Kind::kAccepted;
  uint64_t version = 0;          // accepted: the entry's version (old, if it was equal)
  std::optional<Entry> current;  // superseded: what stands there (a tombstone if nothing)
  // superseded: the version of this path, newer than the base that was named, that had the very
  // content of the change and that the agent has had: it was no edit. 0: there is none.
  uint64_t content_of_version = 0;
  std::vector<ChunkId> missing;                    // missing chunks: which
  RejectReason reason = RejectReason::kMalformed;  // rejected
  std::string message;                             // rejected: a sentence
};

struct CommitRequest {
  FolderId folder = 0;
  std::string agent_id;  // 16 bytes
  // Strictly increasing per agent; the same number is the same batch for ever.
  uint64_t batch = 0;
  std::vector<Change> changes;
};

struct CommitResult {
  std::vector<ChangeOutcome> outcomes;  // one per change, in order
  uint64_t head_version = 0;            // published head after the commit
  bool repeated = false;                // answered from the batch memory
};

// Entries in version order, each path once at its latest version, up to `through`.
struct ChangeSlice {
  std::vector<Entry> entries;
  uint64_t through = 0;         // the reader's cursor after this slice
  uint64_t head = 0;            // published head when it was read
  bool more_of_commit = false;  // the last entry's commit goes on after this slice
};

struct AgentRecord {
  std::string id;  // 16 bytes
  std::string name;
  FolderId folder = 0;
  Cursor cursor;
  int64_t last_seen_ns = 0;
  uint64_t had_version = 0;  // the highest that `cursor` ever was; kept by the store
  int64_t absent_ns = 0;     // how long the server ran without it since it was last seen
};

// A conflict that an agent reported.
struct ConflictRecord {
  HeldConflict conflict;
  std::string agent_id;  // 16 bytes
  std::string agent_name;
  int64_t since_ns = 0;  // first reported, by the server's clock
  uint64_t omitted = 0;  // of a row without a path
};

// What a report changed.
struct ConflictNews {
  std::vector<ConflictRecord> held;     // new, or with another side than before
  std::vector<ConflictRecord> settled;  // reported before, and not any more
};

// What went with an agent.
struct ForgottenAgent {
  AgentRecord agent;
  std::vector<ConflictRecord> settled;  // what it held
};

// Where a page of conflicts ends.
struct ConflictPosition {
  std::string agent_id;
  RelPath path;
};

struct ConflictPage {
  std::vector<ConflictRecord> conflicts;
  uint64_t omitted = 0;  // held by these agents beyond what they list
  bool more = false;     // another page follows, from `last` on
  ConflictPosition last;
};

struct HistoryRecord {
  Entry entry;                 // as it was
  uint64_t superseded_by = 0;  // version
  int64_t superseded_at_ns = 0;
};

struct MetadataOptions {
  // Directory for the small synced file of reserved versions; empty: not kept (in-memory).
  std::string directory;
  uint64_t version_block = 10'000;
  size_t batches_remembered = 256;  // per agent and folder
};

class MetadataStore {
 public:
  virtual ~MetadataStore() = default;

  // AlreadyExists / NotFound / InvalidArgument (a name is 1 to 128 bytes of printable UTF-8
  // without '/').
  virtual absl::StatusOr<FolderInfo> CreateFolder(const std::string& name) = 0;
  virtual absl::StatusOr<FolderInfo> GetFolder(const std::string& name) = 0;
  virtual absl::StatusOr<FolderInfo> GetFolder(FolderId id) = 0;
  virtual std::vector<FolderInfo> ListFolders() = 0;
  // Replaces the folder's rules, durably. NotFound; InvalidArgument, with the line, when it is no
  // text of rules or longer than kMaxFolderRulesBytes.
  virtual absl::StatusOr<FolderInfo> SetFolderRules(FolderId folder, const std::string& rules) = 0;

  // The transaction. `lists` reads content list pieces. After Unavailable nobody knows whether it
  // was committed: the store has failed, and a retry with the same batch number, once it was opened
  // again, tells. Any other error means that nothing was committed. A batch number that is
  // no longer remembered and not above the agent's last is FailedPrecondition.
  virtual absl::StatusOr<CommitResult> Commit(const CommitRequest& request,
                                              const ListReader& lists) = 0;
  // The highest batch number that is remembered for this agent; 0: none.
  virtual absl::StatusOr<uint64_t> LastBatch(FolderId folder, const std::string& agent_id) = 0;
  // Called with (folder, published head) after each commit that gave out versions, outside all
  // locks. Set once, before the first commit.
  virtual void OnPublished(std::function<void(FolderId, uint64_t)> callback) = 0;
  virtual absl::StatusOr<uint64_t> PublishedHead(FolderId folder) = 0;

  // The entries with versions in (after, published head], at most `max_entries` and about
  // `max_bytes`. It may end between the two halves of a move: more_of_commit says that the last
  // entry's commit goes on, and who needs both halves joins the slices of a commit. Those for which
  // `leave_out` is true count and are not in the slice; null: none is left out.
  virtual absl::StatusOr<ChangeSlice> ChangesSince(
      FolderId folder, uint64_t after, size_t max_entries, size_t max_bytes,
      const std::function<bool(const Entry&)>& leave_out = nullptr) = 0;

  // NotFound when the path never had an entry; a tombstone is an answer.
  virtual absl::StatusOr<Entry> GetEntry(FolderId folder, const RelPath& path) = 0;
  // Entries at or below `prefix` in path order, after `after` (nullopt: from the start), live
  // ones only unless `with_tombstones`.
  virtual absl::StatusOr<std::vector<Entry>> ListEntries(FolderId folder, const RelPath& prefix,
                                                         const std::optional<RelPath>& after,
                                                         size_t limit, bool with_tombstones) = 0;
  // Superseded states of a path, newest first.
  virtual absl::StatusOr<std::vector<HistoryRecord>> History(FolderId folder, const RelPath& path,
                                                             size_t limit) = 0;

  // Chunk membership: the server itself hashed these chunks for this folder.
  virtual absl::Status AddMembers(FolderId folder, const std::vector<ChunkId>& ids) = 0;
  // One answer per id: is it a member?
  virtual absl::StatusOr<std::vector<bool>> AreMembers(FolderId folder,
                                                       const std::vector<ChunkId>& ids) = 0;

  virtual std::vector<Incarnation> Incarnations() = 0;  // oldest first; the last is current
  virtual std::string ServerId() = 0;                   // 16 bytes, for ever the same

  // Synced when the agent is new. Two calls for one agent must not run at once.
  virtual absl::Status PutAgent(const AgentRecord& record) = 0;
  virtual absl::StatusOr<std::vector<AgentRecord>> ListAgents(FolderId folder) = 0;
  // NotFound: it was never put.
  virtual absl::StatusOr<AgentRecord> GetAgent(FolderId folder, const std::string& id) = 0;

  // Removes the agent with all that is its, durably: its row, the answers to its batches, the
  // conflicts that it holds. NotFound: it was never put. Not while it commits or reports.
  virtual absl::StatusOr<ForgottenAgent> ForgetAgent(FolderId folder, const std::string& id) = 0;

  // Takes the place of all that this agent reported before; unsynced. The report keeps the limits
  // of the protocol. Two reports of one agent must not run at once.
  virtual absl::StatusOr<ConflictNews> PutConflicts(FolderId folder, const std::string& agent_id,
                                                    const std::string& agent_name,
                                                    const ConflictReport& report) = 0;
  // What agents hold at or below `prefix`, by agent and path, after `after` (nullopt: from the
  // start); at most `limit`, and fewer when much had to be looked at.
  virtual absl::StatusOr<ConflictPage> ListConflicts(FolderId folder, const RelPath& prefix,
                                                     const std::optional<ConflictPosition>& after,
                                                     size_t limit) = 0;

  // Writes the clean-stop mark, as the last write. No call may follow.
  virtual absl::Status CloseCleanly() = 0;
};

// The tables the store needs, in the order of its KvTable numbers from `first` on; the caller
// appends its own (chunks) after them.
std::vector<std::pair<std::string, bool /*read by whole keys*/>> MetadataTables();

// Opens the store on `kv` (not owned): refuses a newer format (FailedPrecondition), starts a
// new incarnation, checks a sample of invariants.
absl::StatusOr<std::unique_ptr<MetadataStore>> OpenMetadataStore(KvStore* kv, const Clock* clock,
                                                                 const MetadataOptions& options);

}  // namespace filesync
