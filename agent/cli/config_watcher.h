// ConfigWatcher: notices that a configuration file changed, and reads them all again. Thread-
// compatible.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/cli/options.h"

namespace filesync {

class ConfigWatcher {
 public:
  // `sources` is what was read with these flags. `rebinds`: a person agreed to another server or
  // folder than the state remembers, until it is known there.
  ConfigWatcher(Layer flags, const Sources& sources, bool rebinds)
      : flags_(std::move(flags)), rebinds_(rebinds), seen_(sources), stamp_(StampOf(sources)) {}

  // True once for every change of a file, including its appearance, when it is over. Looks at the
  // disk a few times a second at most.
  bool Changed(absl::Time now);
  // Errors: InvalidArgument with file, line and what was expected; the old settings stay good.
  absl::StatusOr<AgentOptions> Read();

 private:
  const Layer flags_;
  const bool rebinds_;
  Sources seen_;
  std::string stamp_;
  std::string changing_;  // the last look's, where it was another
  absl::Time looked_ = absl::InfinitePast();
};

}  // namespace filesync
