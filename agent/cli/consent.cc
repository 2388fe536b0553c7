#include "agent/cli/consent.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <string>

#include "libs/paths/rel_path.h"

namespace filesync {
namespace {

constexpr size_t kLongestAnswer = 256;

// One line from the terminal; nullopt: stopped, or the input ended.
Consent ReadAnswer(int stop_fd) {
  std::string answer;
  while (answer.size() < kLongestAnswer) {
    pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {stop_fd, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    if ((fds[1].revents & POLLIN) != 0) return Consent::kStop;
    char c = 0;
    if (read(STDIN_FILENO, &c, 1) != 1) return Consent::kNo;
    if (c == '\n') break;
    answer.push_back(c);
  }
  return answer == "y" || answer == "Y" || answer == "yes" ? Consent::kYes : Consent::kNo;
}

}  // namespace

bool SomebodyIsThere() { return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1; }

Consent AskForConsent(const SyncStatus& status, int stop_fd) {
  fmt::print("{}:\n", EscapeForPeople(status.directory));
  const uint64_t there = status.held_deletions + status.held_replacements;
  const uint64_t here = status.held_incoming_deletions + status.held_incoming_replacements;
  if (there > 0) {
    fmt::print(
        "  in the folder '{}' this deletes {} entries and replaces {}; its history keeps them\n",
        EscapeForPeople(status.folder), status.held_deletions, status.held_replacements);
  }
  if (here > 0) {
    fmt::print("  here this deletes {} entries and replaces {}; the trash keeps them for 30 days\n",
               status.held_incoming_deletions, status.held_incoming_replacements);
  }
  fmt::print("Go on? [y/N] ");
  fflush(stdout);
  return ReadAnswer(stop_fd);
}

}  // namespace filesync
