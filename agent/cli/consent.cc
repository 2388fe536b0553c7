#include "agent/cli/consent.h"
#include "agent/cli/output.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "agent/engine/location_sync.h"
#include "libs/base/status.h"
#include "libs/paths/rel_path.h"

namespace filesync {
namespace {

constexpr size_t kLongestAnswer = 256;

}  // namespace

// One line from the terminal.
ConsentAsker::Answer ConsentAsker::ReadAnswer() const {
  std::string answer;
  while (answer.size() < kLongestAnswer) {
    pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return Answer::kNo;
    }
    if ((fds[1].revents & POLLIN) != 0) return Answer::kStop;
    char c = 0;
    if (read(STDIN_FILENO, &c, 1) != 1) return Answer::kNo;
    if (c == '\n') break;
    answer.push_back(c);
  }
  return answer == "y" || answer == "Y" || answer == "yes" ? Answer::kYes : Answer::kNo;
}

bool ConsentAsker::Wants(const std::string& directory, const SyncStatus& status) const {
  return status.state == SyncState::kHeld && status.held_for_winner > 0 &&
         !asked_.contains(directory);
}

bool ConsentAsker::Ask(SyncManager& manager, const std::string& directory,
                       const SyncStatus& status) {
  Output("{}:\n", EscapeForPeople(status.directory));
  const uint64_t there = status.held_deletions + status.held_replacements;
  const uint64_t here = status.held_incoming_deletions + status.held_incoming_replacements;
  if (there > 0) {
    Output("  in the folder '{}' this deletes {} entries and replaces {}; its history keeps them\n",
           EscapeForPeople(status.folder), status.held_deletions, status.held_replacements);
  }
  if (here > 0) {
    Output("  here this deletes {} entries and replaces {}; the trash keeps them\n",
           status.held_incoming_deletions, status.held_incoming_replacements);
  }
  Output("Go on? [y/N] ");
  fflush(stdout);
  const Answer answer = ReadAnswer();
  if (answer == Answer::kStop) return false;
  asked_.insert(directory);
  if (answer == Answer::kNo) return false;
  const absl::Status told = manager.WithLocation(directory, [](LocationSync& sync) {
    sync.AgreeToLosses();
    return absl::OkStatus();
  });
  if (!told.ok()) Output("{}\n", ToStd(told.message()));
  return told.ok();
}

}  // namespace filesync
