#include "agent/engine/state/state.h"

#include <sqlite3.h>

#include <iterator>

#include "agent/engine/state/statement.h"
#include "libs/base/coding.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr int kSchemaVersion = 5;

constexpr char kSchema[] = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE base (
  path BLOB PRIMARY KEY, type INTEGER NOT NULL, mode INTEGER NOT NULL, mtime INTEGER NOT NULL,
  size INTEGER NOT NULL, hash BLOB, content BLOB, target BLOB,
  version INTEGER NOT NULL, incarnation BLOB NOT NULL,
  device INTEGER NOT NULL, inode INTEGER NOT NULL, local_size INTEGER NOT NULL,
  local_mtime INTEGER NOT NULL, local_ctime INTEGER NOT NULL,
  attributes BLOB, local_mode INTEGER, local_attributes BLOB) WITHOUT ROWID;
CREATE INDEX base_by_inode ON base (inode);
CREATE INDEX base_by_hash ON base (hash) WHERE hash IS NOT NULL;
CREATE TABLE remote (path BLOB PRIMARY KEY, entry BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE ignored (path BLOB PRIMARY KEY, entry BLOB NOT NULL, base BLOB,
                      incarnation BLOB) WITHOUT ROWID;
CREATE TABLE incarnations (position INTEGER PRIMARY KEY, id BLOB NOT NULL,
                           first_version INTEGER NOT NULL);
CREATE TABLE batches (number INTEGER PRIMARY KEY, changes BLOB NOT NULL);
CREATE TABLE pieces (id BLOB PRIMARY KEY, path BLOB NOT NULL, content BLOB NOT NULL,
                     bytes BLOB NOT NULL);
CREATE INDEX pieces_by_path ON pieces (path);
CREATE TABLE held (path BLOB PRIMARY KEY, direction INTEGER NOT NULL, loss INTEGER NOT NULL,
                   verdict INTEGER NOT NULL, winner INTEGER NOT NULL,
                   version INTEGER NOT NULL) WITHOUT ROWID;
)sql";

// What brings a state of each schema to the next, from schema 1 on. What stands as blobs says
// itself what it holds.
constexpr const char* kSchemaSteps[] = {
    "CREATE TABLE ignored (path BLOB PRIMARY KEY, entry BLOB NOT NULL, base BLOB, "
    "incarnation BLOB) WITHOUT ROWID;",
    "ALTER TABLE base ADD COLUMN attributes BLOB; ALTER TABLE base ADD COLUMN local_mode INTEGER; "
    "ALTER TABLE base ADD COLUMN local_attributes BLOB;",
    "CREATE TABLE held (path BLOB PRIMARY KEY, direction INTEGER NOT NULL, loss INTEGER NOT NULL, "
    "verdict INTEGER NOT NULL, winner INTEGER NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;",
    // Devices by name; see UseFileSystems.
    "INSERT OR REPLACE INTO meta VALUES ('devices', 'by number');",
};
static_assert(std::size(kSchemaSteps) == kSchemaVersion - 1);

constexpr char kBaseColumns[] =
    "path, type, mode, mtime, content, target, version, incarnation, device, inode, local_size, "
    "local_mtime, local_ctime, attributes, local_mode, local_attributes";

std::string Select(std::string_view rest) {
  return fmt::format("SELECT {} FROM base {}", kBaseColumns, rest);
}

}  // namespace

absl::Status State::Error(std::string_view what) const {
  const int code = sqlite3_errcode(db_);
  const std::string text = fmt::format("state file: {}: {}", what, sqlite3_errmsg(db_));
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return DataLoss("{}", text);
    case SQLITE_FULL:
      return ResourceExhausted("{}", text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Unavailable("{}", text);
    case SQLITE_CANTOPEN:
      return NotFound("{}", text);
    default:
      return Internal("{}", text);
  }
}

absl::StatusOr<std::unique_ptr<State>> State::Open(const std::string& path) {
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<State> state(new State(db));
  if (code != SQLITE_OK) return state->Error("cannot open");
  sqlite3_busy_timeout(db, 5000);
  // FULL: what was recorded outlives a power cut, so that the server is told of nothing (a commit,
  // a cursor) that this side might forget.
  FS_RETURN_IF_ERROR(
      state->Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;"
                     "PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=67108864;"));
  FS_RETURN_IF_ERROR(state->CreateSchema());
  return state;
}

absl::StatusOr<std::unique_ptr<State>> State::OpenReadOnly(const std::string& path, bool alone) {
  sqlite3* db = nullptr;
  const std::string name = alone ? fmt::format("file:{}?immutable=1", path) : path;
  const int code = sqlite3_open_v2(
      name.c_str(), &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, nullptr);
  std::unique_ptr<State> state(new State(db));
  if (code != SQLITE_OK) return state->Error("cannot open");
  sqlite3_busy_timeout(db, 5000);
  return state;
}

absl::Status State::CreateSchema() {
  int version = 0;
  {
    STATE_PREPARE(statement, "PRAGMA user_version");
    if (statement.Step() != SQLITE_ROW) return Error("cannot read");
    version = static_cast<int>(statement.Number(0));
  }
  if (version == kSchemaVersion) {
    STATE_PREPARE(check, "PRAGMA quick_check(1)");
    if (check.Step() != SQLITE_ROW) return Error("cannot check");
    if (check.Bytes(0) != "ok") return DataLoss("state file: {}", check.Bytes(0));
    return absl::OkStatus();
  }
  if (version > 0 && version < kSchemaVersion) {
    std::string steps;
    for (int at = version; at < kSchemaVersion; ++at) steps += kSchemaSteps[at - 1];
    return Execute(
        fmt::format("BEGIN; {} PRAGMA user_version={}; COMMIT;", steps, kSchemaVersion).c_str());
  }
  if (version > kSchemaVersion) {
    // Nothing is wrong with it. Setting it aside would bring back what was deleted elsewhere.
    return FailedPrecondition(
        "state file: a newer syncagent made it (format {}, this one knows {}); run that one, or a "
        "newer one, here",
        version, kSchemaVersion);
  }
  if (version != 0) return DataLoss("state file: {} is no format", version);
  return Execute(
      fmt::format("BEGIN; {} PRAGMA user_version={}; COMMIT;", kSchema, kSchemaVersion).c_str());
}

State::~State() {
  for (const Prepared& prepared : statements_) sqlite3_finalize(prepared.statement);
  sqlite3_close(db_);
}

absl::Status State::Execute(const char* sql) {
  std::lock_guard lock(mutex_);
  EndReading();
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return Error("cannot write");
  return absl::OkStatus();
}

absl::StatusOr<State::Statement> State::Prepare(const char* sql) {
  for (const Prepared& prepared : statements_) {
    if (prepared.sql != sql) continue;
    if (prepared.writes) EndReading();
    return Statement(prepared.statement);
  }
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
      SQLITE_OK) {
    return Error("cannot read");
  }
  statements_.push_back({sql, statement, sqlite3_stmt_readonly(statement) == 0});
  if (statements_.back().writes) EndReading();
  return Statement(statement);
}

State::Reading::Reading(State* state) : state_(state) {
  state_->mutex_.lock();
  // Within another one, or a transaction, there is one lock already.
  if (sqlite3_get_autocommit(state_->db_) == 0) return;
  state_->reading_ = state_->Execute("BEGIN").ok();
}

State::Reading::~Reading() {
  state_->EndReading();
  state_->mutex_.unlock();
}

void State::EndReading() {
  // Nothing was written since it began, so there is nothing that could fail to be.
  if (reading_) sqlite3_exec(db_, "COMMIT", nullptr, nullptr, nullptr);
  reading_ = false;
}

State::Transaction::Transaction(State* state) : state_(state) {
  state_->mutex_.lock();
  open_ = state_->Execute("BEGIN").ok();
}

State::Transaction::~Transaction() {
  if (open_) {
    (void)state_->Execute("ROLLBACK");
    state_->remotes_ = Remotes::kNotKnown;
  }
  state_->mutex_.unlock();
}

absl::Status State::Transaction::Commit() {
  if (!open_) return state_->Error("cannot begin to write");
  FS_RETURN_IF_ERROR(state_->Execute("COMMIT"));
  open_ = false;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> State::GetMeta(std::string_view key) {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "SELECT value FROM meta WHERE key = CAST(?1 AS TEXT)");
  statement.Blob(key);
  switch (statement.Step()) {
    case SQLITE_ROW:
      return std::string(statement.Bytes(0));
    case SQLITE_DONE:
      return std::nullopt;
    default:
      return Error("cannot read settings");
  }
}

absl::Status State::SetMeta(std::string_view key, std::string_view value) {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "INSERT OR REPLACE INTO meta VALUES (CAST(?1 AS TEXT), ?2)");
  statement.Blob(key).Blob(value);
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : Error("cannot write settings");
}

absl::StatusOr<BaseRow> State::ReadBaseRow(Statement& statement) {
  BaseRow row;
  FS_ASSIGN_OR_RETURN(row.entry.path, RelPath::FromSortKey(statement.Bytes(0)));
  row.entry.type = static_cast<EntryType>(statement.Number(1));
  row.entry.mode = static_cast<uint32_t>(statement.Number(2));
  row.entry.mtime_ns = static_cast<int64_t>(statement.Number(3));
  if (row.entry.type == EntryType::kFile) {
    FS_ASSIGN_OR_RETURN(row.entry.content, DecodeContent(statement.Bytes(4)));
  }
  row.entry.symlink_target = std::string(statement.Bytes(5));
  row.entry.version = statement.Number(6);
  row.incarnation = std::string(statement.Bytes(7));
  row.fingerprint.device = DeviceFrom(statement.Number(8));
  row.fingerprint.inode = statement.Number(9);
  row.fingerprint.size = statement.Number(10);
  row.fingerprint.mtime_ns = static_cast<int64_t>(statement.Number(11));
  row.fingerprint.ctime_ns = static_cast<int64_t>(statement.Number(12));
  FS_ASSIGN_OR_RETURN(row.entry.attributes, DecodeAttributes(statement.Bytes(13)));
  if (!statement.IsNull(14)) row.local.mode = static_cast<uint32_t>(statement.Number(14));
  FS_ASSIGN_OR_RETURN(row.local.attributes, DecodeAttributes(statement.Bytes(15)));
  return row;
}

absl::StatusOr<std::vector<BaseRow>> State::ReadBaseRows(Statement& statement) {
  std::vector<BaseRow> rows;
  while (true) {
    const int code = statement.Step();
    if (code == SQLITE_DONE) return rows;
    if (code != SQLITE_ROW) return Error("cannot read bases");
    FS_ASSIGN_OR_RETURN(BaseRow row, ReadBaseRow(statement));
    rows.push_back(std::move(row));
  }
}

absl::StatusOr<std::optional<BaseRow>> State::GetBase(const RelPath& path) {
  std::lock_guard lock(mutex_);
  static const std::string kSql = Select("WHERE path = ?1");
  STATE_PREPARE(statement, kSql.c_str());
  statement.Blob(path.SortKey());
  switch (statement.Step()) {
    case SQLITE_ROW: {
      FS_ASSIGN_OR_RETURN(BaseRow row, ReadBaseRow(statement));
      return std::optional<BaseRow>(std::move(row));
    }
    case SQLITE_DONE:
      return std::optional<BaseRow>();
    default:
      return Error("cannot read a base");
  }
}

absl::Status State::PutBase(const BaseRow& row) {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement,
                "INSERT OR REPLACE INTO base VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
                "?12, ?13, ?14, ?15, ?16, ?17, ?18)");
  const bool is_file = row.entry.type == EntryType::kFile;
  statement.Blob(row.entry.path.SortKey())
      .Int(static_cast<uint64_t>(row.entry.type))
      .Int(row.entry.mode)
      .Int(static_cast<uint64_t>(row.entry.mtime_ns))
      .Int(is_file ? row.entry.content.size : 0);
  if (is_file) {
    statement.Blob(row.entry.content.hash.bytes()).Blob(EncodeContent(row.entry.content));
  } else {
    statement.Null().Null();
  }
  statement.Blob(row.entry.symlink_target)
      .Int(row.entry.version)
      .Blob(row.incarnation)
      .Int(StoredDevice(row.fingerprint.device))
      .Int(row.fingerprint.inode)
      .Int(row.fingerprint.size)
      .Int(static_cast<uint64_t>(row.fingerprint.mtime_ns))
      .Int(static_cast<uint64_t>(row.fingerprint.ctime_ns));
  const auto attributes = [&statement](const Attributes& of) {
    if (of.SaySomething()) {
      statement.Blob(EncodeAttributes(of));
    } else {
      statement.Null();
    }
  };
  attributes(row.entry.attributes);
  if (row.local.mode.has_value()) {
    statement.Int(*row.local.mode);
  } else {
    statement.Null();
  }
  attributes(row.local.attributes);
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : Error("cannot write a base");
}

absl::Status State::DeleteBase(const RelPath& path) {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "DELETE FROM base WHERE path = ?1");
  statement.Blob(path.SortKey());
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : Error("cannot delete a base");
}

absl::StatusOr<std::vector<BaseRow>> State::BaseTree(const RelPath& directory) {
  std::lock_guard lock(mutex_);
  if (directory.IsRoot()) {
    static const std::string kSql = Select("ORDER BY path");
    STATE_PREPARE(statement, kSql.c_str());
    return ReadBaseRows(statement);
  }
  static const std::string kSql =
      Select("WHERE path = ?1 OR (path > ?2 AND path < ?3) ORDER BY path");
  STATE_PREPARE(statement, kSql.c_str());
  const std::string key = directory.SortKey();
  statement.Blob(key).Blob(key + '\0').Blob(key + '\1');
  return ReadBaseRows(statement);
}

absl::StatusOr<std::vector<BaseRow>> State::BasePage(const std::optional<RelPath>& after,
                                                     size_t limit) {
  std::lock_guard lock(mutex_);
  static const std::string kSql = Select("WHERE path > ?1 ORDER BY path LIMIT ?2");
  STATE_PREPARE(statement, kSql.c_str());
  statement.Blob(after.has_value() ? after->SortKey() : "").Int(limit);
  return ReadBaseRows(statement);
}

absl::StatusOr<std::vector<BaseRow>> State::BasePageBelow(const RelPath& directory,
                                                          const RelPath& after, size_t limit) {
  if (directory.IsRoot()) return BasePage(after, limit);
  std::lock_guard lock(mutex_);
  static const std::string kSql = Select("WHERE path > ?1 AND path < ?2 ORDER BY path LIMIT ?3");
  STATE_PREPARE(statement, kSql.c_str());
  statement.Blob(after.SortKey()).Blob(directory.SortKey() + '\1').Int(limit);
  return ReadBaseRows(statement);
}

absl::StatusOr<std::optional<BaseRow>> State::BaseByInode(uint64_t device, uint64_t inode) {
  std::lock_guard lock(mutex_);
  static const std::string kSql =
      Select("WHERE inode = ?1 AND device = ?2 AND version > 0 LIMIT 1");
  STATE_PREPARE(statement, kSql.c_str());
  statement.Int(inode).Int(StoredDevice(device));
  FS_ASSIGN_OR_RETURN(std::vector<BaseRow> rows, ReadBaseRows(statement));
  if (rows.empty()) return std::optional<BaseRow>();
  return std::optional<BaseRow>(std::move(rows.front()));
}

absl::StatusOr<std::vector<BaseRow>> State::BasesByInode(uint64_t device, uint64_t inode) {
  std::lock_guard lock(mutex_);
  static const std::string kSql = Select("WHERE inode = ?1 AND device = ?2");
  STATE_PREPARE(statement, kSql.c_str());
  statement.Int(inode).Int(StoredDevice(device));
  return ReadBaseRows(statement);
}

absl::StatusOr<std::optional<BaseRow>> State::BaseByContent(const ContentHash& hash) {
  std::lock_guard lock(mutex_);
  static const std::string kSql = Select("WHERE hash = ?1 LIMIT 1");
  STATE_PREPARE(statement, kSql.c_str());
  statement.Blob(hash.bytes());
  FS_ASSIGN_OR_RETURN(std::vector<BaseRow> rows, ReadBaseRows(statement));
  if (rows.empty()) return std::optional<BaseRow>();
  return std::optional<BaseRow>(std::move(rows.front()));
}

absl::StatusOr<BaseCounts> State::CountBase() {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM base");
  if (statement.Step() != SQLITE_ROW) return Error("cannot count bases");
  return BaseCounts{statement.Number(0), statement.Number(1)};
}

absl::StatusOr<uint64_t> State::CountTree(const RelPath& path) {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement,
                "SELECT COUNT(*) FROM (SELECT path FROM base WHERE path = ?1 OR "
                "(path > ?2 AND path < ?3) UNION SELECT path FROM remote WHERE path = ?1 OR "
                "(path > ?2 AND path < ?3))");
  const std::string key = path.SortKey();
  statement.Blob(key).Blob(key + '\0').Blob(key + '\1');
  if (statement.Step() != SQLITE_ROW) return Error("cannot count a tree");
  return statement.Number(0);
}

absl::Status State::ForgetLooks(const RelPath& directory) {
  static_assert(static_cast<int>(EntryType::kFile) == 1);
  if (directory.IsRoot()) return Execute("UPDATE base SET local_ctime = 0 WHERE type = 1");
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement,
                "UPDATE base SET local_ctime = 0 "
                "WHERE type = 1 AND (path = ?1 OR (path > ?2 AND path < ?3))");
  const std::string key = directory.SortKey();
  statement.Blob(key).Blob(key + '\0').Blob(key + '\1');
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : Error("cannot write the state");
}

absl::Status State::DropAllBases() { return Execute("DELETE FROM base"); }

absl::StatusOr<Cursor> State::GetCursor() {
  FS_ASSIGN_OR_RETURN(const auto value, GetMeta("cursor"));
  if (!value.has_value()) return Cursor();
  if (value->size() < 8) return DataLoss("the state file holds a damaged cursor");
  return Cursor{value->substr(8), ReadBigEndian64(value->data())};
}

absl::Status State::SetCursor(const Cursor& cursor) {
  std::string value;
  AppendBigEndian64(value, cursor.version);
  return SetMeta("cursor", value + cursor.incarnation);
}

absl::StatusOr<std::vector<Incarnation>> State::GetIncarnations() {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "SELECT id, first_version FROM incarnations ORDER BY position");
  std::vector<Incarnation> incarnations;
  while (true) {
    const int code = statement.Step();
    if (code == SQLITE_DONE) return incarnations;
    if (code != SQLITE_ROW) return Error("cannot read incarnations");
    incarnations.push_back({std::string(statement.Bytes(0)), statement.Number(1)});
  }
}

absl::Status State::SetIncarnations(const std::vector<Incarnation>& incarnations) {
  std::lock_guard lock(mutex_);
  FS_RETURN_IF_ERROR(Execute("DELETE FROM incarnations"));
  for (size_t i = 0; i < incarnations.size(); ++i) {
    STATE_PREPARE(statement, "INSERT INTO incarnations VALUES (?1, ?2, ?3)");
    statement.Int(i).Blob(incarnations[i].id).Int(incarnations[i].first_version);
    if (statement.Step() != SQLITE_DONE) return Error("cannot write incarnations");
  }
  return absl::OkStatus();
}

}  // namespace filesync
