// Sources: where settings come from, strongest first: flags, the environment, .env, config.toml
// (a [[folder]] table before what holds for all), what a directory's state remembers, defaults. The
// strongest source that names a setting gives all of its values.
//
// The .env of the working directory may be any project's: nobody asked for it. It is read when
// there is neither a configuration file nor an argument, or by name (--env-file).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/config/config_file.h"
#include "agent/config/layer.h"

namespace filesync {

struct Sources {
  Layer flags;
  Layer environment;
  Layer env_file;
  ConfigFile file;
  std::string env_path;     // empty: none is read
  std::string config_path;  // empty: none is read
  bool config_read = false;
  // By directory: the server and folder that its state is in step with.
  std::map<std::string, Layer> remembered;
  std::vector<std::string> warnings;
};

// Reads .env and config.toml, wherever flags and environment say that they are. `environment` as
// of environ. `before`: what was read when the program started; then the same files are read again,
// and no other takes their place. Errors: InvalidArgument with file, line and what was expected.
absl::StatusOr<Sources> ReadSources(Layer flags, const char* const* environment,
                                    const Sources* before = nullptr);

// What `option` is, for the directory of `folder` (nullptr: for all), which remembers `remembered`
// (may be null). No texts: it was not given and has no default.
Setting Effective(const Sources& sources, const OptionDefinition& option,
                  const FolderTable* folder = nullptr, const Layer* remembered = nullptr);
inline constexpr std::string_view kDefaultWhere = "default";

// "--limit-up fast" or "config.toml:3: limit_up fast": how errors name a setting and its value.
std::string NameInError(const OptionDefinition& option, const Setting& setting,
                        std::string_view value);

// Changes whenever one of the files does; for noticing that they are to be read again.
std::string StampOf(const Sources& sources);

}  // namespace filesync
