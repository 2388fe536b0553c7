// Status vocabulary: constructors that format, errno with its number kept, and the two
// macros that pass errors on.
//
// One meaning per code, everywhere:
//   InvalidArgument     the caller's input is malformed
//   NotFound            it does not exist (the only code that may be read as absence)
//   AlreadyExists       it exists and must not
//   Aborted             the base version lost the race; reconcile and try again
//   FailedPrecondition  the state does not allow it (chunks missing, wrong format, locked)
//   DataLoss            stored or received bytes do not match their hash or do not parse
//   ResourceExhausted   a limit, a quota or the disk is full
//   Unavailable         the other side cannot be reached now; retry with backoff
//   PermissionDenied    the operating system or the server refuses
//   Internal            a bug or an unclassified system error
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace filesync {

inline absl::string_view ToAbsl(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view ToStd(absl::string_view s) { return {s.data(), s.size()}; }

#define FILESYNC_STATUS_CONSTRUCTOR(Name, kCode)                           \
  template <typename... Args>                                              \
  absl::Status Name(fmt::format_string<Args...> format, Args&&... args) {  \
    return absl::Status(absl::StatusCode::kCode,                           \
                        fmt::format(format, std::forward<Args>(args)...)); \
  }
FILESYNC_STATUS_CONSTRUCTOR(InvalidArgument, kInvalidArgument)
FILESYNC_STATUS_CONSTRUCTOR(NotFound, kNotFound)
FILESYNC_STATUS_CONSTRUCTOR(AlreadyExists, kAlreadyExists)
FILESYNC_STATUS_CONSTRUCTOR(Aborted, kAborted)
FILESYNC_STATUS_CONSTRUCTOR(FailedPrecondition, kFailedPrecondition)
FILESYNC_STATUS_CONSTRUCTOR(DataLoss, kDataLoss)
FILESYNC_STATUS_CONSTRUCTOR(ResourceExhausted, kResourceExhausted)
FILESYNC_STATUS_CONSTRUCTOR(Unavailable, kUnavailable)
FILESYNC_STATUS_CONSTRUCTOR(PermissionDenied, kPermissionDenied)
FILESYNC_STATUS_CONSTRUCTOR(Internal, kInternal)
FILESYNC_STATUS_CONSTRUCTOR(Unimplemented, kUnimplemented)
FILESYNC_STATUS_CONSTRUCTOR(Cancelled, kCancelled)
FILESYNC_STATUS_CONSTRUCTOR(DeadlineExceeded, kDeadlineExceeded)
#undef FILESYNC_STATUS_CONSTRUCTOR

// A system call's error as a Status: "WHAT: No such file or directory". The number stays
// readable with ErrnoOf, because ENOENT, EACCES, EIO and ENOSPC lead to different decisions.
absl::Status ErrnoStatus(int error_number, std::string_view what);

// The errno that a Status made by ErrnoStatus carries (also after Annotate); 0 when none.
int ErrnoOf(const absl::Status& status);

// The same status with "CONTEXT: " before its message; payloads stay. Ok stays ok.
absl::Status Annotate(const absl::Status& status, std::string_view context);

// "CODE: message" for logs and people, in the project's words.
std::string Describe(const absl::Status& status);

}  // namespace filesync

#define FS_RETURN_IF_ERROR(expression)                              \
  do {                                                              \
    if (absl::Status fs_status_ = (expression); !fs_status_.ok()) { \
      return fs_status_;                                            \
    }                                                               \
  } while (false)

#define FS_CONCAT_INNER(a, b) a##b
#define FS_CONCAT(a, b) FS_CONCAT_INNER(a, b)
#define FS_ASSIGN_OR_RETURN(lhs, expression) \
  FS_ASSIGN_OR_RETURN_IMPL(FS_CONCAT(fs_status_or_, __LINE__), lhs, expression)
#define FS_ASSIGN_OR_RETURN_IMPL(result, lhs, expression) \
  auto result = (expression);                             \
  if (!result.ok()) return std::move(result).status();    \
  lhs = *std::move(result)
