#include "agent/cli/doctor_command.h"
#include "agent/cli/output.h"

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "agent/cli/control.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/options.h"
#include "agent/cli/print_json.h"
#include "agent/cli/progress_text.h"
#include "libs/base/disk.h"
#include "libs/base/files.h"
#include "libs/base/proc.h"
#include "libs/base/status.h"
#include "libs/wire/version_list.h"

namespace filesync {
namespace {

using control::v1::Finding;

constexpr absl::Duration kClockMayDiffer = absl::Seconds(30);
constexpr absl::Duration kSlowServer = absl::Seconds(1);
constexpr double kLittleSpace = 0.05;
// Directories are a part of a tree; below this, a limit is soon met.
constexpr uint64_t kFewWatches = 65'536;

uint64_t Held(const control::v1::Status& status) {
  return status.held_deletions() + status.held_replacements() + status.held_incoming_deletions() +
         status.held_incoming_replacements();
}

class Doctor {
 public:
  explicit Doctor(const AgentOptions& options) : options_(options) {}

  control::v1::DoctorReport Examine() {
    ExamineServer();
    ExamineWatches();
    for (const LocationPlan& plan : options_.locations) ExamineDirectory(plan.options.directory);
    return std::move(report_);
  }

 private:
  void Say(control::v1::Severity severity, const std::string& subject, const std::string& text) {
    Finding* finding = report_.add_findings();
    finding->set_severity(severity);
    finding->set_subject(EscapeForPeople(subject));
    finding->set_text(EscapeForPeople(text));
  }
  void Fine(const std::string& subject, const std::string& text) {
    Say(control::v1::SEVERITY_OK, subject, text);
  }
  void Warn(const std::string& subject, const std::string& text) {
    Say(control::v1::SEVERITY_WARNING, subject, text);
  }
  void Fail(const std::string& subject, const std::string& text) {
    Say(control::v1::SEVERITY_ERROR, subject, text);
  }

  void ExamineServer() {
    const absl::StatusOr<ServerFacts> facts = FetchServerFacts(options_.server);
    if (!facts.ok()) {
      Fail("server", fmt::format("{}; is syncd running there, and is --server right?",
                                 ToStd(facts.status().message())));
      return;
    }
    const std::string took =
        absl::FormatDuration(absl::Trunc(facts->took, absl::Microseconds(100)));
    const std::string text =
        fmt::format("{} answers in {} (syncd {})", options_.server, took, facts->version);
    facts->took > kSlowServer ? Warn("server", text) : Fine("server", text);
    ExamineClock(*facts);
  }

  // Clocks only choose the winner under `newest` and name conflict copies, and times of receipt.
  void ExamineClock(const ServerFacts& facts) {
    const absl::Duration skew = absl::AbsDuration(absl::Now() - facts.now);
    const std::string text = fmt::format("differs from the server's by {}",
                                         absl::FormatDuration(absl::Trunc(skew, absl::Seconds(1))));
    if (skew > kClockMayDiffer + facts.took) {
      Warn("clock", text + "; set it by NTP, or `newest` may choose the older file");
    } else {
      Fine("clock", "agrees with the server's");
    }
  }

  void ExamineWatches() {
    const char* const path = "/proc/sys/fs/inotify/max_user_watches";
    uint64_t limit = 0;
    const std::string number(absl::StripAsciiWhitespace(ReadSmallFile(path)));
    if (!absl::SimpleAtoi(number, &limit)) {
      Warn("watching",
           fmt::format("{} can't be read; changes may be found by scanning only", path));
    } else if (limit < kFewWatches) {
      Warn("watching", fmt::format("only {} directories can be watched; raise it: sysctl "
                                   "fs.inotify.max_user_watches=524288",
                                   limit));
    } else {
      Fine("watching", fmt::format("up to {} directories", limit));
    }
  }

  void ExamineDirectory(const std::string& directory) {
    const absl::StatusOr<UniqueFd> root = OpenDirectory(directory);
    if (!root.ok()) {
      Fail(directory, std::string(ToStd(root.status().message())));
      return;
    }
    if (faccessat(root->get(), ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
      Fail(directory, "this user may not read, write and search it");
    } else {
      Fine(directory, "can be read and written");
    }
    ExamineSpace(directory, root->get());
    ExamineState(directory);
  }

  void ExamineSpace(const std::string& directory, int root) {
    const absl::StatusOr<DiskSpace> space = SpaceOf(root);
    if (!space.ok()) {
      Warn(directory, std::string(ToStd(space.status().message())));
      return;
    }
    const bool little =
        static_cast<double>(space->free_bytes) < kLittleSpace * static_cast<double>(space->bytes);
    const std::string text =
        fmt::format("{} of {} free", ForPeople(space->free_bytes), ForPeople(space->bytes));
    little ? Warn(directory, text) : Fine(directory, text);
    if (space->has_inodes && space->free_inodes == 0) {
      Fail(directory, "no inodes are free: no file can be made");
    }
  }

  void ExamineState(const std::string& directory) {
    const absl::StatusOr<control::v1::Status> status = QueryStatus(directory);
    if (absl::IsNotFound(status.status())) {
      Fine(directory, "was not synced yet");
      return;
    }
    if (!status.ok()) {
      Fail(directory, std::string(ToStd(status.status().message())));
      return;
    }
    const std::string text = fmt::format("folder {}: {}", status->folder(), status->state());
    const bool halted = std::string_view(status->state()).starts_with("halted");
    if (halted) {
      Fail(directory, text);
    } else if (status->failed_count() > 0 || Held(*status) > 0) {
      Warn(directory, text + fmt::format(", {} paths failed, {} losses held",
                                         status->failed_count(), Held(*status)));
    } else {
      Fine(directory, text);
    }
  }

  const AgentOptions& options_;
  control::v1::DoctorReport report_;
};

const char* Word(control::v1::Severity severity) {
  switch (severity) {
    case control::v1::SEVERITY_OK:
      return "ok";
    case control::v1::SEVERITY_WARNING:
      return "warning";
    default:
      return "ERROR";
  }
}

}  // namespace

int RunDoctor(const Invocation& asked) {
  const absl::StatusOr<Sources> sources = ReadSourcesAndBindings(asked.settings);
  if (!sources.ok()) return Refuse(sources.status());
  const absl::StatusOr<AgentOptions> options = CheckOptions(*sources);
  if (!options.ok()) return Refuse(options.status());
  const control::v1::DoctorReport report = Doctor(*options).Examine();
  bool healthy = true;
  for (const Finding& finding : report.findings()) {
    healthy = healthy && finding.severity() != control::v1::SEVERITY_ERROR;
  }
  const int code = healthy ? kExitInSync : kExitSomeFailed;
  if (asked.Has("json")) {
    const int printed = PrintJson(report);
    return printed == kExitInSync ? code : printed;
  }
  for (const Finding& finding : report.findings()) {
    Output("{:<8} {}: {}\n", Word(finding.severity()), finding.subject(), finding.text());
  }
  return code;
}

}  // namespace filesync
