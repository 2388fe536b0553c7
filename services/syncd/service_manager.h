// ServiceManager: what syncd tells the service manager that started it (systemd, Type=notify); see
// sd_notify(3). Says nothing where there is none. Thread-compatible.
#pragma once

#include "absl/time/time.h"

namespace filesync {

class ServiceManager {
 public:
  // Reads $NOTIFY_SOCKET and $WATCHDOG_USEC.
  ServiceManager();

  void Ready() const;
  void Stopping() const;
  // To be called while the server works, at least once a second: the manager ends a server that
  // is not heard of for its watchdog's time, and starts it anew.
  void Alive();

 private:
  absl::Duration alive_interval_ = absl::InfiniteDuration();  // infinite: nobody listens
  absl::Time alive_said_ = absl::InfinitePast();
};

}  // namespace filesync
