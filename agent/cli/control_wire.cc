#include "agent/cli/control_wire.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "libs/base/coding.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

// Longer than an agent looks for an answer.
constexpr int kTimeoutSeconds = 10;

// 0: none.
void SetTimeouts(int fd, int seconds) {
  timeval timeout{seconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

absl::Status ReceiveExactly(int fd, char* buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n = recv(fd, buffer + done, size - done, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "control socket");
    if (n == 0) return Unavailable("the other side hung up");
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

}  // namespace

void SetControlTimeouts(int fd) { SetTimeouts(fd, kTimeoutSeconds); }
void ClearControlTimeouts(int fd) { SetTimeouts(fd, 0); }

absl::Status SendControlMessage(int fd, const std::string& message) {
  std::string bytes;
  AppendBigEndian32(bytes, static_cast<uint32_t>(message.size()));
  bytes += message;
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "control socket");
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReceiveControlMessage(int fd) {
  char prefix[4];
  FS_RETURN_IF_ERROR(ReceiveExactly(fd, prefix, sizeof(prefix)));
  const uint32_t size = ReadBigEndian32(prefix);
  if (size > kLargestControlMessage) return InvalidArgument("a control message of {} bytes", size);
  std::string message(size, '\0');
  FS_RETURN_IF_ERROR(ReceiveExactly(fd, message.data(), size));
  return message;
}

}  // namespace filesync
