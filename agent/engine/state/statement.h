// Statement: one use of a prepared SQLite statement. Only the state's own files include it.
#pragma once

#include <sqlite3.h>

#include <string_view>

#include "agent/engine/state/state.h"

namespace filesync {

// A prepared statement in use: bound from 1 on, reset when it goes.
class State::Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  Statement(Statement&& other) noexcept : statement_(other.statement_), next_(other.next_) {
    other.statement_ = nullptr;
  }
  Statement(const Statement&) = delete;
  ~Statement() {
    if (statement_ == nullptr) return;
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Statement& Blob(std::string_view bytes) {
    // An empty view may have no address, which SQLite would take for NULL.
    sqlite3_bind_blob64(statement_, next_++, bytes.empty() ? "" : bytes.data(), bytes.size(),
                        SQLITE_TRANSIENT);
    return *this;
  }
  Statement& Null() {
    sqlite3_bind_null(statement_, next_++);
    return *this;
  }
  Statement& Int(uint64_t value) {
    sqlite3_bind_int64(statement_, next_++, static_cast<int64_t>(value));
    return *this;
  }
  int Step() { return sqlite3_step(statement_); }
  bool IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::string_view Bytes(int column) const {
    const void* data = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return data == nullptr ? std::string_view()
                           : std::string_view(static_cast<const char*>(data), size);
  }
  uint64_t Number(int column) const {
    return static_cast<uint64_t>(sqlite3_column_int64(statement_, column));
  }

 private:
  sqlite3_stmt* statement_;
  int next_ = 1;
};

#define STATE_PREPARE(name, sql)                  \
  auto name##_or = Prepare(sql);                  \
  if (!name##_or.ok()) return name##_or.status(); \
  Statement name = *std::move(name##_or)

}  // namespace filesync
