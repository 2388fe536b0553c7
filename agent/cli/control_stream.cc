#include "agent/cli/control_stream.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/time/clock.h"
#include "agent/cli/control_proto.h"
#include "agent/cli/control_wire.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kStatusInterval = absl::Milliseconds(200);

}  // namespace

class ControlStreams::Stream {
 public:
  Stream(UniqueFd peer, std::shared_ptr<EventFeed::Reader> reader)
      : peer_(std::move(peer)), reader_(std::move(reader)) {}
  ~Stream() {
    shutdown(peer_.get(), SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
  }

  void Start(control::v1::Event first) {
    thread_ = std::thread([this, first = std::move(first)] {
      pthread_setname_np(pthread_self(), "events");
      if (Send(first)) Run();
      reader_.reset();
      // The other side learns of it now, not when somebody looks.
      shutdown(peer_.get(), SHUT_RDWR);
      ended_ = true;
    });
  }
  bool ended() const { return ended_; }

 private:
  void Run() {
    while (true) {
      const absl::Duration until_status = held_back_.has_value()
                                              ? status_sent_ + kStatusInterval - absl::Now()
                                              : absl::InfiniteDuration();
      pollfd fds[2] = {{peer_.get(), POLLIN | POLLRDHUP, 0}, {reader_->wake(), POLLIN, 0}};
      const int timeout =
          held_back_.has_value()
              ? static_cast<int>(std::max<int64_t>(0, absl::ToInt64Milliseconds(until_status) + 1))
              : -1;
      if (poll(fds, 2, timeout) < 0 && errno != EINTR) return;
      // It has nothing more to say, so it hung up.
      if (fds[0].revents != 0) return;
      for (control::v1::Event& event : reader_->Take()) {
        if (event.has_status()) {
          held_back_ = std::move(event);
        } else if (!Send(event)) {
          return;
        }
      }
      if (!SendStatusWhenDue()) return;
    }
  }

  // Statuses come as often as the engine looks around; what has not changed is not told again.
  bool SendStatusWhenDue() {
    if (!held_back_.has_value() || absl::Now() < status_sent_ + kStatusInterval) return true;
    const control::v1::Event event = *std::exchange(held_back_, std::nullopt);
    if (event.status().SerializeAsString() == last_status_) return true;
    return Send(event);
  }

  bool Send(const control::v1::Event& event) {
    if (event.has_status()) {
      last_status_ = event.status().SerializeAsString();
      status_sent_ = absl::Now();
    }
    control::v1::ControlResponse response;
    *response.mutable_event() = event;
    return SendControlMessage(peer_.get(), response.SerializeAsString()).ok();
  }

  const UniqueFd peer_;
  std::shared_ptr<EventFeed::Reader> reader_;
  std::optional<control::v1::Event> held_back_;
  std::string last_status_;
  absl::Time status_sent_ = absl::InfinitePast();
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

ControlStreams::ControlStreams(EventFeed* feed) : feed_(feed) {}
ControlStreams::~ControlStreams() = default;

absl::Status ControlStreams::Serve(UniqueFd& peer, const control::v1::EventsRequest& request,
                                   const SyncStatus& now) {
  streams_.remove_if([](const std::unique_ptr<Stream>& stream) { return stream->ended(); });
  if (streams_.size() >= kMost) {
    return ResourceExhausted("{} follow the events already; end one of them first", kMost);
  }
  FS_ASSIGN_OR_RETURN(std::shared_ptr<EventFeed::Reader> reader,
                      feed_->Subscribe(request.status()));
  control::v1::Event first;
  ToProto(absl::Now(), first.mutable_time());
  ToProto(now, /*running=*/true, first.mutable_status());
  ClearControlTimeouts(peer.get());
  streams_.push_back(std::make_unique<Stream>(std::move(peer), std::move(reader)));
  streams_.back()->Start(std::move(first));
  return absl::OkStatus();
}

}  // namespace filesync
