// State: what the agent and the server last agreed on, in SQLite (WAL).
//
// Holds the base row of every path, remote entries that are known but not applied yet or not to
// be applied because their paths are ignored, commits
// that wait for their answer, and the cursor. The cursor is only ever written in the same
// transaction as the rows it stands for, so it never leads them. Losing the newest rows is
// harmless (equal content agrees); losing all of it means a merge.
//
// Thread-safe: every call takes the one lock, and a Transaction keeps it for its lifetime.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/engine/state/encoding.h"
#include "libs/location/file_systems.h"
#include "libs/location/location.h"
#include "libs/model/entry.h"
#include "libs/model/modes.h"

struct sqlite3;
struct sqlite3_stmt;

namespace filesync {

// The base of one path: what was agreed, under which incarnation, and how the local file looked.
struct BaseRow {
  Entry entry;
  std::string incarnation;
  Fingerprint fingerprint;
  // How the rest of its metadata stood here then. It may differ from the entry's, where the
  // location can't store that; no mode means the entry's.
  LocalMetadata local;
  uint32_t LocalMode() const { return local.mode.value_or(entry.mode); }
  // What it names was agreed on, and the server has lost it (State::MarkLost).
  bool IsLost() const { return entry.version == 0; }
};

// What the folder holds under an ignored name.
struct IgnoredRow {
  Entry entry;
  // What was agreed before it was ignored, and under which incarnation; nullopt: nothing.
  std::optional<Entry> base;
  std::string incarnation;
};

// A path that waits for a person, or that a person decided about and that is not settled yet.
struct HeldRow {
  RelPath path;
  enum class Direction : uint8_t { kOutgoing = 0, kIncoming = 1 };
  Direction direction = Direction::kOutgoing;
  enum class Loss : uint8_t { kDeleted = 0, kReplaced = 1 };
  Loss loss = Loss::kDeleted;
  enum class Verdict : uint8_t { kNone = 0, kConfirmed = 1, kUndone = 2 };
  Verdict verdict = Verdict::kNone;
  // Whose side was to win where both sides are compared without a base; kNone: ordinary work.
  Winner winner = Winner::kNone;
  // Incoming: the remote entry's version that it is about.
  uint64_t version = 0;
};

struct PendingBatch {
  uint64_t number = 0;
  std::vector<PendingChange> changes;
};

struct BaseCounts {
  uint64_t entries = 0;
  uint64_t bytes = 0;
};

class State {
 public:
  // Opens or makes the file `path`. DataLoss when it is damaged or of an unknown schema: the
  // caller sets it aside and opens a new one.
  static absl::StatusOr<std::unique_ptr<State>> Open(const std::string& path);
  // For status while no agent runs: reads only, changes nothing.
  // `alone`: nobody else has it open, and no file is made beside it.
  static absl::StatusOr<std::unique_ptr<State>> OpenReadOnly(const std::string& path,
                                                             bool alone = false);
  // A copy in memory of the file `name` in `directory`, or an empty state when there is none (or
  // no directory: ""). Neither it nor anything beside it changes. DataLoss as with Open;
  // Unavailable when an agent writes to it all the time.
  static absl::StatusOr<std::unique_ptr<State>> OpenCopy(const std::string& directory,
                                                         const std::string& name);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // Makes everything written in its lifetime one atomic write. Not nested.
  class Transaction {
   public:
    explicit Transaction(State* state);
    ~Transaction();  // rolls back unless committed
    absl::Status Commit();

   private:
    State* state_;
    bool open_ = true;
  };

  // In its lifetime many rows are read in a row, under one lock of the file instead of one each.
  // It changes nothing else: a write, or a Transaction, ends that lock and goes as it always does.
  class Reading {
   public:
    explicit Reading(State* state);
    ~Reading();
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

   private:
    State* state_;
  };

  // Small settings by name: agent id, root identity, counters.
  // From now on devices are kept by names that outlive their numbers. What an older version kept by
  // number is converted; call it before anything is read.
  absl::Status UseFileSystems(std::unique_ptr<FileSystems> file_systems);

  absl::StatusOr<std::optional<std::string>> GetMeta(std::string_view key);
  absl::Status SetMeta(std::string_view key, std::string_view value);

  absl::StatusOr<std::optional<BaseRow>> GetBase(const RelPath& path);
  absl::Status PutBase(const BaseRow& row);
  absl::Status DeleteBase(const RelPath& path);
  // Rows at or below `directory`, in path order.
  absl::StatusOr<std::vector<BaseRow>> BaseTree(const RelPath& directory);
  // Rows in path order from after `after` on (nullopt: from the start), at most `limit`.
  absl::StatusOr<std::vector<BaseRow>> BasePage(const std::optional<RelPath>& after, size_t limit);
  // The same of what is below `directory`, from after `after` on, which is at or below it.
  absl::StatusOr<std::vector<BaseRow>> BasePageBelow(const RelPath& directory, const RelPath& after,
                                                     size_t limit);
  // Some row with this inode; nullopt when none.
  absl::StatusOr<std::optional<BaseRow>> BaseByInode(uint64_t device, uint64_t inode);
  // The rows of all names of this inode.
  absl::StatusOr<std::vector<BaseRow>> BasesByInode(uint64_t device, uint64_t inode);
  // Some file row with this content; nullopt when none.
  absl::StatusOr<std::optional<BaseRow>> BaseByContent(const ContentHash& hash);
  absl::StatusOr<BaseCounts> CountBase();
  // How many paths at or below `path` the folder has, as far as known: bases and remote entries.
  absl::StatusOr<uint64_t> CountTree(const RelPath& path);
  absl::Status DropAllBases();
  // No file at or below `directory` looks as it did when it was last in step, so each is read
  // before anything is decided about it; its row tells its look again when its content turns out to
  // be the same.
  absl::Status ForgetLooks(const RelPath& directory);
  // Of each incarnation that rows name, the highest version that one names.
  absl::StatusOr<std::vector<Cursor>> NewestBases();
  // What the server has lost: the rows that `keep` refuses stay as "lost" (BaseRow::IsLost), so
  // that it is known of what is here that it is newer than what the server has. Their number.
  absl::StatusOr<uint64_t> MarkLost(
      const std::function<bool(const std::string& incarnation, uint64_t version)>& keep);
  absl::StatusOr<bool> HasLost();
  // Drops those of which the server has not told anything else; their paths.
  absl::StatusOr<std::vector<RelPath>> DropLost();

  // Remote entries that are known and not applied.
  absl::StatusOr<std::optional<Entry>> GetRemote(const RelPath& path);
  absl::Status PutRemote(const Entry& entry);
  absl::Status DeleteRemote(const RelPath& path);
  // Unless it is newer than `version`: then it came while that one was dealt with.
  absl::Status DeleteRemoteUpTo(const RelPath& path, uint64_t version);
  absl::StatusOr<std::vector<RelPath>> RemotePage(const std::optional<RelPath>& after,
                                                  size_t limit);
  absl::StatusOr<uint64_t> CountRemote();
  absl::StatusOr<bool> HasRemoteBelow(const RelPath& directory);
  // The ignored ones as well.
  absl::Status DropAllRemotes();

  // What the folder holds under names that are ignored here: not acted on while they are.
  absl::Status PutIgnored(const IgnoredRow& row);
  absl::StatusOr<std::optional<IgnoredRow>> GetIgnored(const RelPath& path);
  absl::Status DeleteIgnored(const RelPath& path);
  // Rows in path order from after `after` on (nullopt: from the start), at most `limit`.
  absl::StatusOr<std::vector<IgnoredRow>> IgnoredPage(const std::optional<RelPath>& after,
                                                      size_t limit);
  absl::StatusOr<bool> HasIgnoredBelow(const RelPath& directory);

  // What the brake holds; see HeldPaths.
  absl::Status PutHeld(const HeldRow& row);
  absl::Status DeleteHeld(const RelPath& path);
  absl::Status DropHeld();
  absl::StatusOr<std::vector<HeldRow>> AllHeld();

  absl::StatusOr<Cursor> GetCursor();
  absl::Status SetCursor(const Cursor& cursor);
  absl::StatusOr<std::vector<Incarnation>> GetIncarnations();
  absl::Status SetIncarnations(const std::vector<Incarnation>& incarnations);

  // A cache of content list pieces, so that an edit in a huge file does not bring its whole list
  // again. `content` is the file content they were last used for; those of `path` that are
  // neither its nor `keep`'s go. What is not cached is nullopt.
  absl::Status PutPieces(const RelPath& path, const ContentHash& content, const ContentHash& keep,
                         const std::vector<std::pair<ChunkId, std::string>>& pieces);
  absl::StatusOr<std::vector<std::optional<std::string>>> GetPieces(
      const std::vector<ChunkId>& ids);

  // Keeps the batch until it is answered and returns its number, one above the last.
  absl::StatusOr<uint64_t> AddPendingBatch(const std::vector<PendingChange>& changes);
  absl::StatusOr<std::vector<PendingBatch>> PendingBatches();
  absl::Status DeletePendingBatch(uint64_t number);
  absl::Status DropPendingBatches();
  absl::StatusOr<uint64_t> LastBatchNumber();
  // The next batch gets the number after it.
  absl::Status SetLastBatchNumber(uint64_t number);

 private:
  class Statement;
  explicit State(sqlite3* db) : db_(db) {}
  absl::Status CopyFrom(State& other);
  absl::Status Execute(const char* sql);
  absl::Status CreateSchema();
  absl::StatusOr<Statement> Prepare(const char* sql);
  absl::Status Error(std::string_view what) const;
  // Before anything is written.
  void EndReading();
  // There is no remote entry at all: so it is most of the time, and need not be looked up.
  bool HasNoRemotes();
  static absl::StatusOr<IgnoredRow> ReadIgnoredRow(Statement& statement);
  uint64_t StoredDevice(uint64_t device);
  uint64_t DeviceFrom(uint64_t stored);
  absl::StatusOr<BaseRow> ReadBaseRow(Statement& statement);
  absl::StatusOr<std::vector<BaseRow>> ReadBaseRows(Statement& statement);

  // Recursive, because a thread that holds a Transaction goes on calling.
  std::recursive_mutex mutex_;
  sqlite3* db_;
  // By the address of their text, which is a constant.
  struct Prepared {
    const char* sql;
    sqlite3_stmt* statement;
    bool writes;
  };
  std::vector<Prepared> statements_;
  std::unique_ptr<FileSystems> file_systems_;
  bool reading_ = false;
  // kSome may be out of date. kNone is not: whoever writes rows comes through here.
  enum class Remotes : uint8_t { kNotKnown, kNone, kSome };
  Remotes remotes_ = Remotes::kNotKnown;
  int asked_of_remotes_ = 0;  // since it was found out
};

}  // namespace filesync
