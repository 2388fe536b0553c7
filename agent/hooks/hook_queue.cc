#include "agent/hooks/hook_queue.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "libs/base/status.h"

namespace filesync {
namespace {

// In the log, which is for people.
constexpr size_t kMostLogged = 1000;

std::string ForLog(const HookResult& result) {
  if (result.output_bytes == 0) return "";
  std::string text = result.output.substr(0, kMostLogged);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  const bool all = result.output_bytes <= kMostLogged;
  return ": " + EscapeForPeople(text) +
         (all ? "" : fmt::format(" … ({} bytes)", result.output_bytes));
}

std::string Outcome(const HookResult& result, absl::Duration time_limit) {
  if (result.timed_out) {
    return fmt::format("took longer than {} and was ended", absl::FormatDuration(time_limit));
  }
  if (result.stopped) return "was ended, as the agent stops";
  if (result.signal != 0) return fmt::format("was ended by signal {}", result.signal);
  return fmt::format("ended with {}", result.exit_code);
}

}  // namespace

HookQueue::HookQueue(std::string name, std::vector<std::string> command, absl::Duration time_limit,
                     Clock* clock, Logger* log, size_t most_bytes)
    : name_(std::move(name)),
      command_(std::move(command)),
      time_limit_(time_limit),
      clock_(clock),
      log_(log),
      most_bytes_(most_bytes),
      stop_(eventfd(0, EFD_CLOEXEC)),
      thread_([this] {
        pthread_setname_np(pthread_self(), "hook");
        Loop();
      }) {}

HookQueue::~HookQueue() { Stop(); }

void HookQueue::Add(const HookPlace& place, std::string line) {
  absl::MutexLock lock(&mutex_);
  Location& location = locations_[place.directory];
  location.place = place;
  if (bytes_ + line.size() > most_bytes_) {
    ++location.collected.omitted;
    return;
  }
  bytes_ += line.size();
  ++location.collected.count;
  location.collected.text += line;
}

void HookQueue::Ready(const HookPlace& place) {
  absl::MutexLock lock(&mutex_);
  const auto it = locations_.find(place.directory);
  if (it == locations_.end()) return;
  Lines& collected = it->second.collected;
  if (collected.count == 0 && collected.omitted == 0) return;
  Lines& due = it->second.due;
  if (due.count == 0 && due.omitted == 0) due_.push_back(place.directory);
  due.text += std::exchange(collected.text, {});
  due.count += std::exchange(collected.count, 0);
  due.omitted += std::exchange(collected.omitted, 0);
}

bool HookQueue::Idle() const {
  absl::MutexLock lock(&mutex_);
  return due_.empty() && !calling_;
}

void HookQueue::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    for (const std::string& directory : due_) {
      log_->Warn("{}: the agent stops before {} changes in {} were passed on", name_,
                 locations_[directory].due.count, EscapeForPeople(directory));
    }
    due_.clear();
  }
  const uint64_t one = 1;
  (void)!write(stop_.get(), &one, sizeof(one));
  if (thread_.joinable()) thread_.join();
}

void HookQueue::Loop() {
  while (true) {
    HookPlace place;
    Lines lines;
    {
      absl::MutexLock lock(&mutex_);
      calling_ = false;
      auto ready = [this]()
                       ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !due_.empty(); };
      mutex_.Await(absl::Condition(&ready));
      if (stopping_) return;
      calling_ = true;
      Location& location = locations_[due_.front()];
      due_.pop_front();
      place = location.place;
      lines = std::exchange(location.due, {});
      bytes_ -= lines.text.size();
    }
    Call(place, lines);
  }
}

std::vector<std::string> HookQueue::Environment(const HookPlace& place) const {
  std::vector<std::string> environment;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    // An agent that a hook starts has hooks of its own only.
    if (text.starts_with("SYNCAGENT_ON_") || text.starts_with("SYNCAGENT_HOOK_")) continue;
    environment.emplace_back(text);
  }
  environment.push_back("SYNCAGENT_HOOK_FOLDER=" + place.folder);
  environment.push_back("SYNCAGENT_HOOK_DIR=" + place.directory);
  return environment;
}

void HookQueue::Call(const HookPlace& place, const Lines& lines) {
  std::string input = lines.text;
  if (lines.omitted > 0) input += OmittedLine(lines.omitted, place, clock_->Now());
  HookRun run;
  run.arguments = command_;
  run.environment = Environment(place);
  run.input = input;
  run.time_limit = time_limit_;
  run.stop_fd = stop_.get();
  const absl::StatusOr<HookResult> result = RunHookProcess(run);
  if (!result.ok()) {
    log_->Warn("{}: the hook could not be started: {}", name_, Describe(result.status()));
  } else if (result->exit_code != 0 || result->timed_out) {
    log_->Warn("{}: the hook {}{}", name_, Outcome(*result, time_limit_), ForLog(*result));
  } else {
    log_->Debug("{}: the hook was told of {} changes, and ended after {}{}", name_, lines.count,
                absl::FormatDuration(result->took), ForLog(*result));
  }
}

}  // namespace filesync
