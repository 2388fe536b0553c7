#include "agent/hooks/hook_line.h"

#include <fmt/format.h>

#include "absl/strings/escaping.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

const char* KindName(SyncEvent::Kind kind) {
  switch (kind) {
    case SyncEvent::Kind::kUploaded:
      return "sent";
    case SyncEvent::Kind::kDownloaded:
      return "received";
    case SyncEvent::Kind::kDeletedHere:
      return "deleted-here";
    case SyncEvent::Kind::kDeletedThere:
      return "deleted-there";
    case SyncEvent::Kind::kMovedHere:
      return "moved";
    case SyncEvent::Kind::kMovedThere:
      return "moved-there";
    case SyncEvent::Kind::kConflict:
      return "conflict";
    case SyncEvent::Kind::kConflictHeld:
      return "conflict-held";
    case SyncEvent::Kind::kFailed:
      return "failed";
  }
  return "unknown";
}

class Line {
 public:
  explicit Line(std::string_view kind) { Add("kind", kind); }

  // Any bytes: what is no plain text is escaped.
  void Add(std::string_view name, std::string_view bytes) {
    text_ += text_.empty() ? "{" : ",";
    text_ += fmt::format("\"{}\":\"", name);
    for (const char c : EscapeForPeople(bytes)) {
      if (c == '"' || c == '\\') text_.push_back('\\');
      text_.push_back(c);
    }
    text_ += '"';
  }
  // A path also as bytes, where the text is not the name itself.
  void AddPath(const std::string& name, std::string_view bytes) {
    Add(name, bytes);
    if (EscapeForPeople(bytes) == bytes) return;
    std::string base64;
    absl::Base64Escape(ToAbsl(bytes), &base64);
    Add(name + "_bytes", base64);
  }
  void AddCount(uint64_t count) { text_ += fmt::format(",\"count\":{}", count); }

  std::string Finish(const HookPlace& place, absl::Time time) && {
    Add("folder", place.folder);
    AddPath("directory", place.directory);
    Add("time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone()));
    return std::move(text_) + "}\n";
  }

 private:
  std::string text_;
};

}  // namespace

std::string HookLine(const SyncEvent& event, const HookPlace& place, absl::Time time) {
  Line line(KindName(event.kind));
  line.AddPath("path", event.path.bytes());
  if (!event.to.IsRoot()) {
    line.AddPath(event.kind == SyncEvent::Kind::kConflict ? "copy" : "to", event.to.bytes());
  } else if (event.NeedsReason() && !event.why.empty()) {
    line.Add("reason", event.why);
  }
  return std::move(line).Finish(place, time);
}

std::string HaltedLine(std::string_view reason, const HookPlace& place, absl::Time time) {
  Line line("halted");
  line.Add("reason", reason);
  return std::move(line).Finish(place, time);
}

std::string OmittedLine(uint64_t count, const HookPlace& place, absl::Time time) {
  Line line("omitted");
  line.AddCount(count);
  return std::move(line).Finish(place, time);
}

}  // namespace filesync
