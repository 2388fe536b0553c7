// The engine's connection: welcome, resume, what is received, and coming back.

#include <algorithm>

#include "agent/engine/jitter.h"
#include "agent/engine/location_sync.h"
#include "libs/base/coding.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

// A server that takes the stream and says nothing is not there.
constexpr absl::Duration kWelcomeWithin = absl::Seconds(15);

}  // namespace
namespace {

constexpr int kSlicesInQueue = 4;
constexpr char kBehindKey[] = "behind";

}  // namespace

void LocationSync::OnWelcome(WelcomeInfo welcome) {
  context_.mailbox.Post([this, welcome = std::move(welcome)] { HandleWelcome(welcome); });
}

void LocationSync::OnChanges(RemoteSlice slice) {
  absl::MutexLock lock(&slices_mutex_);
  ++slices_waiting_;
  context_.mailbox.Post(
      [this, slice = std::move(slice)]() mutable { apply_->AddSlice(std::move(slice)); });
  auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(slices_mutex_) {
    return slices_waiting_ < kSlicesInQueue || !accepting_;
  };
  slices_mutex_.Await(absl::Condition(&room));
}

void LocationSync::OnCommitResult(uint64_t batch, CommitResult result, std::string failure) {
  context_.mailbox.Post(
      [this, batch, result = std::move(result), failure = std::move(failure)]() mutable {
        commit_->OnCommitResult(batch, std::move(result), failure);
        if (!commit_->Resolving()) apply_->SetStashing(options_.only.has_value());
      });
}

void LocationSync::OnConflictsRecorded() {
  context_.mailbox.Post([this] { reporter_.OnRecorded(); });
}

void LocationSync::OnFolderRules(std::string rules) {
  context_.mailbox.Post([this, rules = std::move(rules)] {
    if (absl::Status taken = TakeFolderRules(rules); !taken.ok()) {
      log_->Error("the folder's ignore rules can't be used: {}", Describe(taken));
    }
  });
}

// They are remembered, as they hold while the server is away too.
absl::Status LocationSync::TakeFolderRules(const std::string& rules) {
  FS_ASSIGN_OR_RETURN(const auto known, state_->GetMeta(kFolderRulesKey));
  if (known.value_or("") == rules) return absl::OkStatus();
  FS_RETURN_IF_ERROR(filters_.SetFolderRules(rules));
  log_->Info("{}: the folder's ignore rules changed", directory_->description());
  return state_->SetMeta(kFolderRulesKey, rules);
}

void LocationSync::OnUpcoming(std::string agent_id, UpcomingPart part) {
  context_.mailbox.Post([this, agent_id = std::move(agent_id), part = std::move(part)]() mutable {
    apply_->early().Take(agent_id, std::move(part));
  });
}

void LocationSync::OnGoingAway(absl::Duration reconnect_after) {
  context_.mailbox.Post([this, reconnect_after] {
    log_->Info("the server is stopping; coming back in {}", absl::FormatDuration(reconnect_after));
    asked_to_wait_ = reconnect_after;
  });
}

void LocationSync::OnClosed(absl::Status status) {
  context_.mailbox.Post([this, status = std::move(status)] { HandleClosed(status); });
}

void LocationSync::HandleWelcome(const WelcomeInfo& welcome) {
  connection_ = Connection::kOpen;
  if (absl::Status taken = TakeWelcome(welcome); !taken.ok()) {
    last_error_ = std::string(ToStd(taken.message()));
    last_error_at_ = clock_->Now();
    log_->Warn("{}", Describe(taken));
    link_->Disconnect();
    return;
  }
  backoff_.Connected();
  ever_connected_ = true;
  log_->Info("connected to {}, folder '{}'", options_.server, options_.folder);
}

absl::Status LocationSync::TakeWelcome(const WelcomeInfo& welcome) {
  FS_ASSIGN_OR_RETURN(const uint64_t last_batch, state_->LastBatchNumber());
  FS_ASSIGN_OR_RETURN(Cursor cursor, state_->GetCursor());
  if (welcome.forgotten && !cursor.incarnation.empty()) {
    // What was deleted while it was away may be forgotten too.
    FS_RETURN_IF_ERROR(StartOver("the server had forgotten this agent, which was away for long"));
    cursor = Cursor();
    RequestFullScan();
  }
  const bool older = welcome.last_batch > last_batch || welcome.had_version > cursor.version;
  const bool shared = welcome.cursor_known && !cursor.incarnation.empty();
  if (shared && older) {
    log_->Warn(
        "{}: its state is older than what the server knows of this agent; what it has had already "
        "is no edit",
        directory_->description());
  }
  // Who died may have installed what it did not note.
  const bool died = !ever_connected_ && host_stops_.agent_died();
  // And in a first sync there may be an older copy of all.
  const bool merges = welcome.cursor_known && cursor.incarnation.empty();
  FS_RETURN_IF_ERROR(
      NoteBehind(merges || (shared && (older || died || context_.unrecorded)), cursor.version));
  context_.unrecorded = false;
  if (welcome.last_batch > last_batch) {
    FS_RETURN_IF_ERROR(CatchUpWithOwnCommits(welcome.last_batch));
    RequestFullScan();
  }
  const std::string current = welcome.incarnations.back().id;
  if (!welcome.cursor_known) {
    FS_RETURN_IF_ERROR(DropLostTail(welcome));
    cursor = Cursor();
    RequestFullScan();
  } else if (!cursor.incarnation.empty() && current != context_.incarnation) {
    FS_ASSIGN_OR_RETURN(const bool lost, HasLostBases(welcome));
    if (lost) {
      FS_RETURN_IF_ERROR(DropLostTail(welcome));
      return Unavailable("the server was put back; asking it for all that it knows");
    }
  }
  // What the directory is in step with from now on. A server that never answered is none.
  FS_RETURN_IF_ERROR(NoteBinding());
  FS_RETURN_IF_ERROR(state_->SetIncarnations(welcome.incarnations));
  context_.incarnation = current;
  context_.incarnation_began = welcome.incarnations.back().first_version;
  FS_ASSIGN_OR_RETURN(const bool has_lost, state_->HasLost());
  context_.head_version = welcome.head_version;
  const bool remote_first = cursor.incarnation.empty() || commit_->behind() || has_lost ||
                            context_.winner != Winner::kNone || options_.step_by_step;
  hold_local_until_ = remote_first ? welcome.head_version : 0;
  context_.welcome = welcome;
  {
    absl::MutexLock lock(&slices_mutex_);
    accepting_ = true;
  }
  if (welcome.rules.has_value()) FS_RETURN_IF_ERROR(TakeFolderRules(*welcome.rules));
  FS_RETURN_IF_ERROR(commit_->Resend());
  apply_->SetStashing(commit_->Resolving() || options_.only.has_value());
  return absl::OkStatus();
}

absl::Status LocationSync::NoteBinding() {
  const Binding now{options_.server, options_.folder};
  // What is noted already needs no room on the disk.
  if (!bound_to_.has_value()) bound_to_ = ReadBinding(directory_->description());
  if (bound_to_ == now) return absl::OkStatus();
  FS_RETURN_IF_ERROR(state_->SetMeta("folder", now.folder));
  FS_RETURN_IF_ERROR(state_->SetMeta("server", now.server));
  FS_RETURN_IF_ERROR(WriteBinding(*directory_, now));
  bound_to_ = now;
  return absl::OkStatus();
}

// Remembered until everything has been decided with it, also when the agent is started anew
// meanwhile.
absl::Status LocationSync::NoteBehind(bool behind, uint64_t version) {
  FS_ASSIGN_OR_RETURN(const auto noted, state_->GetMeta(kBehindKey));
  const bool known = noted.has_value() && noted->size() == 8;
  if (known) {
    version = ReadBigEndian64(noted->data());
  } else if (behind) {
    std::string bytes;
    AppendBigEndian64(bytes, version);
    FS_RETURN_IF_ERROR(state_->SetMeta(kBehindKey, bytes));
  }
  commit_->SetBehind(known || behind ? std::optional<uint64_t>(version) : std::nullopt);
  return absl::OkStatus();
}

// Everything has been decided, but for what fails: the bases are what was agreed on last again.
void LocationSync::MaybeCaughtUp() {
  if (!commit_->behind() || !context_.welcome.has_value() || !Settled(0)) return;
  if (absl::Status cleared = state_->SetMeta(kBehindKey, ""); !cleared.ok()) {
    context_.halt = cleared;
    return;
  }
  commit_->SetBehind(std::nullopt);
}

// The server has seen more of this agent than its state knows: the state was put back, or a power
// cut took its end. The bases stay: dropping them would bring back all that was deleted elsewhere.
absl::Status LocationSync::CatchUpWithOwnCommits(uint64_t last_batch) {
  if (taken_over_) {
    // Or another host goes by this agent's id, with a copy of its state.
    FS_RETURN_IF_ERROR(BecomeNewAgent());
    FS_RETURN_IF_ERROR(commit_->DropPending());
    taken_over_ = false;
    return Unavailable(
        "another host uses a copy of this agent's state; coming back as a new agent");
  }
  FS_RETURN_IF_ERROR(commit_->DropPending());
  return state_->SetLastBatchNumber(last_batch);
}

// Of what `incarnation` gave out the server has kept this.
bool LocationSync::IsKept(const WelcomeInfo& welcome, const std::string& incarnation,
                          uint64_t version) {
  for (size_t i = 0; i < welcome.incarnations.size(); ++i) {
    if (welcome.incarnations[i].id != incarnation) continue;
    return i + 1 == welcome.incarnations.size()
               ? version <= welcome.head_version
               : version < welcome.incarnations[i + 1].first_version;
  }
  return false;
}

// The cursor does not tell all: what this agent committed itself may be above it.
absl::StatusOr<bool> LocationSync::HasLostBases(const WelcomeInfo& welcome) {
  FS_ASSIGN_OR_RETURN(const std::vector<Cursor> newest, state_->NewestBases());
  return std::any_of(newest.begin(), newest.end(), [&](const Cursor& base) {
    return !IsKept(welcome, base.incarnation, base.version);
  });
}

// The server went back to before what this agent had agreed on with it. What it lost and is here is
// newer than what it has, and is sent again; everything it still knows comes again from the start,
// as in a first sync. Nothing is deleted because the server forgot.
absl::Status LocationSync::DropLostTail(const WelcomeInfo& welcome) {
  State::Transaction transaction(state_.get());
  FS_ASSIGN_OR_RETURN(const uint64_t lost,
                      state_->MarkLost([&](const std::string& incarnation, uint64_t version) {
                        return IsKept(welcome, incarnation, version);
                      }));
  FS_RETURN_IF_ERROR(state_->DropAllRemotes());
  FS_RETURN_IF_ERROR(context_.held.Clear());
  FS_RETURN_IF_ERROR(state_->SetMeta(kFirstSyncKey, kFirstSyncDone));
  context_.winner = Winner::kNone;
  FS_RETURN_IF_ERROR(state_->SetCursor(Cursor()));
  FS_RETURN_IF_ERROR(state_->DropPendingBatches());
  FS_RETURN_IF_ERROR(transaction.Commit());
  last_error_ = "the server lost a part of its history; both sides are compared anew";
  last_error_at_ = clock_->Now();
  log_->Warn("{}: {} ({} entries), and nothing is deleted", directory_->description(), last_error_,
             lost);
  return absl::OkStatus();
}

void LocationSync::HandleClosed(const absl::Status& status) {
  const bool was_open = context_.welcome.has_value();
  connection_ = Connection::kIdle;
  context_.welcome.reset();
  ++context_.session;
  commit_->OnClosed();
  apply_->DropSlices();
  apply_->early().DropAll();
  follower_.OnClosed();
  {
    absl::MutexLock lock(&slices_mutex_);
    slices_waiting_ = 0;
  }
  if (Paused()) {
    // As was asked for.
    next_connect_ = absl::InfinitePast();
    return;
  }
  if (was_open) ++context_.stats.reconnects;
  taken_over_ = taken_over_ || absl::IsAborted(status);
  if (absl::IsInvalidArgument(status)) {
    // A batch that the server can't read would end every stream: its paths are decided anew.
    const absl::Status dropped = commit_->DropPending();
    if (!dropped.ok()) context_.halt = dropped;
  }
  const absl::Duration backoff = backoff_.Failed(clock_->Now(), Jitter());
  const absl::Duration wait = asked_to_wait_.value_or(backoff);
  asked_to_wait_.reset();
  next_connect_ = clock_->Now() + wait;
  last_error_ = Describe(status);
  last_error_at_ = clock_->Now();
  if (stopping_) return;
  if (was_open || backoff_.failures() == 1) {
    log_->Warn("offline: {}: {}; changes are kept and sent later", options_.server,
               ToStd(status.message()));
  }
}

void LocationSync::SetPaused(bool paused) {
  context_.mailbox.Post([this, paused] {
    paused_ = paused;
    if (absl::Status kept = state_->SetMeta(kPausedKey, paused ? "1" : ""); !kept.ok()) {
      log_->Warn("{}: {}", directory_->description(), Describe(kept));
    }
    HoldConnection();
  });
}

void LocationSync::Rest(absl::Time until) {
  context_.mailbox.Post([this, until] {
    resting_until_ = until;
    HoldConnection();
  });
}

void LocationSync::EndRest() {
  context_.mailbox.Post([this] {
    resting_until_ = absl::InfinitePast();
    HoldConnection();
  });
}

// Ends the stream when there is to be none, and opens one at once when there is.
void LocationSync::HoldConnection() {
  if (Paused() && connection_ != Connection::kIdle) link_->Disconnect();
  if (!Paused()) next_connect_ = absl::InfinitePast();
  PublishStatus();
}

void LocationSync::MaybeConnect() {
  if (Paused()) return;
  const bool hopeless =
      connection_ == Connection::kConnecting && clock_->Now() - connecting_since_ > kWelcomeWithin;
  if (hopeless) {
    // Its end is told like that of any other attempt.
    connecting_since_ = clock_->Now();
    link_->Disconnect();
  }
  if (connection_ != Connection::kIdle || clock_->Now() < next_connect_) return;
  absl::StatusOr<Cursor> cursor = state_->GetCursor();
  if (!cursor.ok()) {
    context_.halt = cursor.status();
    return;
  }
  connection_ = Connection::kConnecting;
  connecting_since_ = clock_->Now();
  {
    absl::MutexLock lock(&slices_mutex_);
    accepting_ = !stopping_;
  }
  HelloInfo hello{context_.agent_id, options_.agent_name, options_.folder, *cursor};
  // Who ends when it is in step does not wait for what is not committed yet.
  hello.upcoming = IsReceived(context_.mode) && !options_.step_by_step;
  link_->Connect(hello, this);
}

}  // namespace filesync
