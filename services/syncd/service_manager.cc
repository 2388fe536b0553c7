#include "services/syncd/service_manager.h"

#include <systemd/sd-daemon.h>

#include <cstdint>

#include "absl/time/clock.h"

namespace filesync {

ServiceManager::ServiceManager() {
  uint64_t microseconds = 0;
  // As sd_watchdog_enabled(3) advises: twice as often as it must be.
  if (sd_watchdog_enabled(/*unset_environment=*/0, &microseconds) > 0) {
    alive_interval_ = absl::Microseconds(static_cast<int64_t>(microseconds)) / 2;
  }
}

void ServiceManager::Ready() const { sd_notify(0, "READY=1"); }

void ServiceManager::Stopping() const { sd_notify(0, "STOPPING=1"); }

void ServiceManager::Alive() {
  if (alive_interval_ == absl::InfiniteDuration()) return;
  const absl::Time now = absl::Now();
  // A clock that was set back must not silence it.
  if (now >= alive_said_ && now - alive_said_ < alive_interval_) return;
  alive_said_ = now;
  sd_notify(0, "WATCHDOG=1");
}

}  // namespace filesync
