// What hooks are told of one change: a JSON object on a line of its own. Pure.
//
//   {"kind":"received","path":"notes.txt","folder":"default","directory":"/home/me/notes",
//    "time":"2026-11-21T03:38:18.056Z"}
//
// Kinds: sent, received, deleted-here, deleted-there, moved (here) and moved-there (each with
// "to"), conflict (with "copy" or "reason"), conflict-held, failed, halted (each with "reason"),
// omitted (with "count": so many more there were). Paths are text with %XX for control characters,
// bytes that are no UTF-8 and '%'; a path that had any has its bytes in "path_bytes" ("to_bytes",
// "copy_bytes") as base64.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "agent/engine/sync_event.h"

namespace filesync {

// Where something happened.
struct HookPlace {
  std::string folder;
  std::string directory;  // absolute; bytes
};

// Each ends in a line break.
std::string HookLine(const SyncEvent& event, const HookPlace& place, absl::Time time);
std::string HaltedLine(std::string_view reason, const HookPlace& place, absl::Time time);
std::string OmittedLine(uint64_t count, const HookPlace& place, absl::Time time);

}  // namespace filesync
