#include "libs/reconcile/reconcile.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

namespace filesync {
namespace {

using Kind = Action::Kind;
using State = Side::State;

Action Make(Kind kind, const char* why, bool conflict = false) { return {kind, conflict, why}; }

bool Present(const Side& side, const std::optional<Entry>& base) {
  return side.state == State::kChanged || (side.state == State::kUnchanged && base.has_value());
}

const Entry& Current(const Side& side, const std::optional<Entry>& base) {
  return side.state == State::kChanged ? side.entry : *base;
}

// They differ at most in attributes that one of them says nothing of.
bool EqualWhereBothSay(const Entry& a, const Entry& b) {
  return EqualButAttributes(a, b) && AgreeingAttributes(a.attributes, b.attributes);
}

// Both are there with the same content: only metadata can differ.
Action AgreeOnMetadata(const Entry& local, const Entry& remote) {
  if (EqualState(local, remote)) return Make(Kind::kAgree, "both sides are the same");
  if (EqualWhereBothSay(remote, local)) {
    return SaysMore(local.attributes, remote.attributes)
               ? Make(Kind::kAgreeMetadataLocal, "the same, and more is known of it here")
               : Make(Kind::kAgree, "both sides are the same");
  }
  if (local.type == EntryType::kDirectory) {
    return Make(Kind::kAgreeMetadataRemote, "same directory, the server's permissions");
  }
  // Newest wins; a tie goes to the server's.
  if (local.mtime_ns > remote.mtime_ns) {
    return Make(Kind::kAgreeMetadataLocal, "same content, newer metadata here");
  }
  return Make(Kind::kAgreeMetadataRemote, "same content, newer metadata there");
}

// Both sides changed, to different content.
Action BothChanged(const Side& local, const Side& remote, ConflictPolicy policy) {
  const bool local_directory = local.entry.type == EntryType::kDirectory;
  const bool remote_directory = remote.entry.type == EntryType::kDirectory;
  // The directory keeps the name under every policy: a file can stand beside it, not inside.
  if (policy == ConflictPolicy::kManual) {
    return Make(Kind::kHold, "changed on both sides: waits for a decision", true);
  }
  if (local_directory != remote_directory) {
    return local_directory
               ? Make(Kind::kConflictRemoteAside, "a directory here, a file there", true)
               : Make(Kind::kConflictLocalAside, "a file here, a directory there", true);
  }
  switch (policy) {
    case ConflictPolicy::kKeepLocal:
      return Make(Kind::kUpload, "changed on both sides: what is here is kept", true);
    case ConflictPolicy::kKeepRemote:
      return Make(Kind::kDownload, "changed on both sides: what is there is kept", true);
    case ConflictPolicy::kNewest:
      return local.changed_at_ns > remote.changed_at_ns
                 ? Make(Kind::kUpload, "changed on both sides: newer here", true)
                 : Make(Kind::kDownload, "changed on both sides: newer there", true);
    case ConflictPolicy::kKeepBoth:
    case ConflictPolicy::kManual:
      break;
  }
  return Make(Kind::kConflictKeepBoth, "changed on both sides: both are kept", true);
}

// An edit against a deletion. `local_edited`: the edit is on this side.
Action EditAgainstDelete(bool local_edited, ConflictPolicy policy) {
  bool keep_edit = true;
  if (policy == ConflictPolicy::kManual) {
    return Make(Kind::kHold, "edited on one side, deleted on the other: waits for a decision",
                true);
  }
  if (policy == ConflictPolicy::kKeepLocal) keep_edit = local_edited;
  if (policy == ConflictPolicy::kKeepRemote) keep_edit = !local_edited;
  if (local_edited) {
    return keep_edit ? Make(Kind::kUpload, "edited here, deleted there: the edit wins", true)
                     : Make(Kind::kDeleteLocal, "edited here, deleted there", true);
  }
  return keep_edit ? Make(Kind::kDownload, "deleted here, edited there: the edit wins", true)
                   : Make(Kind::kDeleteRemote, "deleted here, edited there", true);
}

Action TwoWay(const std::optional<Entry>& base, const Side& local, const Side& remote,
              ConflictPolicy policy) {
  const bool local_quiet = local.state == State::kUnchanged || local.state == State::kAbsent;
  const bool remote_quiet = remote.state == State::kUnchanged || remote.state == State::kAbsent;
  if (local_quiet && remote_quiet) return Make(Kind::kNothing, "nothing changed");
  if (local_quiet) {
    if (remote.state == State::kDeleted) return Make(Kind::kDeleteLocal, "deleted there");
    if (!base.has_value()) return Make(Kind::kDownload, "new there");
    return Make(Kind::kDownload,
                EqualContent(remote.entry, *base) ? "metadata changed there" : "changed there");
  }
  if (remote_quiet) {
    if (local.state == State::kDeleted) return Make(Kind::kDeleteRemote, "deleted here");
    if (!base.has_value()) return Make(Kind::kUpload, "new here");
    return Make(Kind::kUpload,
                EqualContent(local.entry, *base) ? "metadata changed here" : "changed here");
  }
  if (local.state == State::kDeleted && remote.state == State::kDeleted) {
    return Make(Kind::kAgree, "deleted on both sides");
  }
  if (local.state == State::kDeleted) return EditAgainstDelete(false, policy);
  if (remote.state == State::kDeleted) return EditAgainstDelete(true, policy);
  if (EqualContent(local.entry, remote.entry)) {
    // One side's change may be of metadata alone; then the other's base tells nothing new.
    if (base.has_value() && EqualState(local.entry, *base)) {
      return Make(Kind::kDownload, "changed there");
    }
    return AgreeOnMetadata(local.entry, remote.entry);
  }
  if (base.has_value() && EqualContent(local.entry, *base) && !EqualContent(remote.entry, *base)) {
    return Make(Kind::kDownload, "content changed there, metadata here");
  }
  if (base.has_value() && EqualContent(remote.entry, *base) && !EqualContent(local.entry, *base)) {
    return Make(Kind::kUpload, "content changed here, metadata there");
  }
  return BothChanged(local, remote, policy);
}

// The source decides, and the destination follows. `source_is_local` tells which is which.
Action Mirror(const std::optional<Entry>& base, const Side& source, const Side& destination,
              bool source_is_local) {
  const Kind copy = source_is_local ? Kind::kUpload : Kind::kDownload;
  const Kind remove = source_is_local ? Kind::kDeleteRemote : Kind::kDeleteLocal;
  const bool source_there = Present(source, base);
  const bool destination_there = Present(destination, base);
  if (!source_there && !destination_there) {
    return base.has_value() ? Make(Kind::kAgree, "gone on both sides")
                            : Make(Kind::kNothing, "nothing there");
  }
  if (!source_there) return Make(remove, "not at the source");
  if (!destination_there) return Make(copy, "missing at the destination");
  const Entry& from = Current(source, base);
  const Entry& to = Current(destination, base);
  if (EqualWhereBothSay(from, to) && !SaysMore(from.attributes, to.attributes)) {
    const bool known = source.state == State::kUnchanged && destination.state == State::kUnchanged;
    return known ? Make(Kind::kNothing, "nothing changed")
                 : Make(Kind::kAgree, "both sides are the same");
  }
  return Make(copy, "the source decides");
}

// Only additions and changes of the source travel; nothing is ever deleted by a deletion.
Action Backup(const std::optional<Entry>& base, const Side& source, const Side& destination,
              bool source_is_local) {
  if (source.state != State::kChanged) return Make(Kind::kNothing, "the source did not change");
  return Mirror(base, source, destination, source_is_local);
}

}  // namespace

Action Reconcile(const std::optional<Entry>& base, const Side& local, const Side& remote, Mode mode,
                 ConflictPolicy policy) {
  // Below what can't be proven nothing is decided.
  if (local.state == State::kUnknown || remote.state == State::kUnknown) {
    return Make(Kind::kHold, "it can't be told what is there");
  }
  switch (mode) {
    case Mode::kTwoWay:
      return TwoWay(base, local, remote, policy);
    case Mode::kSourceToDestination:
      return Mirror(base, local, remote, true);
    case Mode::kDestinationToSource:
      return Mirror(base, remote, local, false);
    case Mode::kSourceBackup:
      return Backup(base, local, remote, true);
    case Mode::kDestinationBackup:
      return Backup(base, remote, local, false);
  }
  return Make(Kind::kHold, "unknown mode");
}

RelPath ConflictCopyPath(const RelPath& path, int64_t unix_seconds, const std::string& agent_name,
                         int attempt) {
  std::string agent;
  for (const char c : agent_name.substr(0, 32)) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
    agent.push_back(plain ? c : '_');
  }
  const std::string_view name = path.Name();
  const size_t dot = name.rfind('.');
  // A leading dot makes a hidden file, not an extension; nor is a very long tail one.
  const bool has_extension =
      dot != std::string_view::npos && dot > 0 && name.size() - dot <= 32 && dot + 1 < name.size();
  std::string_view stem = has_extension ? name.substr(0, dot) : name;
  const std::string_view extension = has_extension ? name.substr(dot) : std::string_view();
  std::string marker = fmt::format(".conflict-{:%Y%m%d-%H%M%S}-{}",
                                   fmt::gmtime(static_cast<std::time_t>(unix_seconds)), agent);
  if (attempt > 0) marker += fmt::format("-{}", attempt);
  const size_t room = kMaxNameBytes - marker.size() - extension.size();
  if (stem.size() > room) {
    size_t cut = room;
    // Not inside a UTF-8 sequence.
    while (cut > 0 && (static_cast<uint8_t>(stem[cut]) & 0xc0) == 0x80) --cut;
    stem = stem.substr(0, cut);
  }
  const std::string copy = fmt::format("{}{}{}", stem, marker, extension);
  const absl::StatusOr<RelPath> child = path.Parent().Child(copy);
  // Only a path at the very limit of its length can fail; then the marker alone must do.
  return child.ok() ? *child : *RelPath::Parse(marker.substr(1));
}

}  // namespace filesync
