// Consent: asks the person at the terminal before one side is made to win over the other.
#pragma once

#include "agent/engine/location_sync.h"

namespace filesync {

// True when there is somebody to ask: input and output are a terminal.
bool SomebodyIsThere();

enum class Consent : uint8_t { kYes, kNo, kStop };

// Says what is at stake by `status` and waits for an answer; anything but yes is no. kStop: there
// was something to read from `stop_fd` first.
Consent AskForConsent(const SyncStatus& status, int stop_fd);

}  // namespace filesync
