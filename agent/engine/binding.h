// Binding: the server and folder that a directory is in step with, in a small file beside its state
// (.syncagent/bound-to), where programs that only ask find it without opening the state.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "libs/location/local_directory.h"

namespace filesync {

struct Binding {
  std::string server;  // HOST:PORT, as it was said
  std::string folder;

  bool operator==(const Binding&) const = default;
};

// Of `directory`; nullopt when it was never in step with any, or nobody can tell.
std::optional<Binding> ReadBinding(const std::string& directory);

absl::Status WriteBinding(LocalDirectory& directory, const Binding& binding);

}  // namespace filesync
