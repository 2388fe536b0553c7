// Binding: the server and folder that a directory is in step with. Its state remembers them; where
// nothing else is said they hold, and others are refused unless a person asks for them.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/config/sources.h"

namespace filesync {

// What is asked for in the stead of what a directory remembers, for people; one for each directory.
using Rebinding = std::vector<std::string>;

// ReadSources, with what the directories that they speak of remember. `rebinding`: takes what is
// asked for instead; null: then InvalidArgument, naming both.
absl::StatusOr<Sources> ReadSourcesAndBindings(Layer flags, Rebinding* rebinding = nullptr,
                                               const Sources* before = nullptr);

// Asks at the terminal. InvalidArgument: the answer was no, or nobody is there.
absl::Status AskToRebind(const Rebinding& rebinding);

}  // namespace filesync
