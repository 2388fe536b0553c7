#include "agent/cli/binding.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "agent/cli/options.h"
#include "agent/cli/output.h"
#include "agent/cli/setting_reader.h"
#include "agent/engine/binding.h"
#include "libs/base/status.h"
#include "libs/paths/rel_path.h"
#include "libs/wire/channel.h"

namespace filesync {
namespace {

// However it is written.
bool SameServer(const std::string& a, const std::string& b) {
  const absl::StatusOr<Endpoint> one = ParseEndpoint(a);
  const absl::StatusOr<Endpoint> two = ParseEndpoint(b);
  return one.ok() && two.ok() ? one->ToString() == two->ToString() : a == b;
}

}  // namespace

absl::StatusOr<Sources> ReadSourcesAndBindings(Layer flags, Rebinding* rebinding,
                                               const Sources* before) {
  FS_ASSIGN_OR_RETURN(Sources sources, ReadSources(std::move(flags), environ, before));
  const auto locations = FindLocations(sources);
  if (!locations.ok()) return sources;  // said by whoever needs them
  for (const ConfiguredLocation& location : *locations) {
    const std::optional<Binding> bound = ReadBinding(location.directory);
    if (!bound.has_value()) continue;
    const SettingReader said(sources, location.table);
    const Setting server = said.Get("server");
    const bool other_server =
        server.where != kDefaultWhere && !SameServer(server.texts.front(), bound->server);
    const bool other_folder = location.folder_said && location.folder != bound->folder;
    if (other_server || other_folder) {
      const std::string text = fmt::format(
          "{} is in step with folder '{}' of server {}, not with folder '{}' of server {}",
          EscapeForPeople(location.directory), EscapeForPeople(bound->folder),
          EscapeForPeople(bound->server),
          EscapeForPeople(other_folder ? location.folder : bound->folder),
          EscapeForPeople(other_server ? server.texts.front() : bound->server));
      if (rebinding == nullptr) {
        const Setting folder = said.Get(said.Text("sync").empty() ? "folder" : "sync");
        return InvalidArgument(
            "{} ({}); leave that out, or add --rebind to 'run' or 'sync' to merge the two", text,
            other_server ? server.where : folder.where);
      }
      rebinding->push_back(text);
    }
    const std::string where = fmt::format("{}/{}", location.directory, kStateDirectoryName);
    Layer& remembered = sources.remembered[location.directory];
    remembered[FindSetting("server")->name] = Setting{{bound->server}, where};
    remembered[FindSetting("folder")->name] = Setting{{bound->folder}, where};
  }
  return sources;
}

absl::Status AskToRebind(const Rebinding& rebinding) {
  if (rebinding.empty()) return absl::OkStatus();
  if (isatty(STDIN_FILENO) == 0) {
    return InvalidArgument("--rebind: {}; nobody is there to be asked: add --yes",
                           rebinding.front());
  }
  for (const std::string& text : rebinding) Output("{}.\n", text);
  Output("Both sides are merged then, and nothing is deleted. Go on? [y/N] ");
  fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return absl::OkStatus();
  return InvalidArgument("--rebind: nothing was changed");
}

}  // namespace filesync
