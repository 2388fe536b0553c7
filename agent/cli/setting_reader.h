// SettingReader: effective settings by name, with errors that say which one was wrong and where
// it was said.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/config/sources.h"
#include "libs/base/status.h"
#include "libs/paths/rel_path.h"

namespace filesync {

class SettingReader {
 public:
  // For the directory of `folder`, which remembers `remembered`, or, with nullptr, for all. All
  // must outlive it.
  SettingReader(const Sources& sources, const FolderTable* folder,
                const Layer* remembered = nullptr)
      : sources_(sources), folder_(folder), remembered_(remembered) {}

  Setting Get(std::string_view name) const {
    return Effective(sources_, *FindSetting(name), folder_, remembered_);
  }
  // The last value; empty when there is none.
  std::string Text(std::string_view name) const {
    const Setting setting = Get(name);
    return setting.texts.empty() ? "" : setting.texts.back();
  }
  bool Switch(std::string_view name) const { return Text(name) == "true"; }

  // Calls `take` with each value, until it fails.
  absl::Status Each(std::string_view name,
                    const std::function<absl::Status(const std::string&)>& take) const {
    const OptionDefinition& option = *FindSetting(name);
    const Setting setting = Get(name);
    for (const std::string& text : setting.texts) {
      absl::Status taken = take(text);
      if (!taken.ok()) return Annotate(taken, NameInError(option, setting, EscapeForPeople(text)));
    }
    return absl::OkStatus();
  }

  // The value as `parse` understands it; `out` stays as it is when there is none.
  template <typename T>
  absl::Status Parse(std::string_view name, absl::StatusOr<T> (*parse)(std::string_view),
                     T& out) const {
    return Each(name, [&](const std::string& text) -> absl::Status {
      FS_ASSIGN_OR_RETURN(out, parse(text));
      return absl::OkStatus();
    });
  }

 private:
  const Sources& sources_;
  const FolderTable* const folder_;
  const Layer* const remembered_;
};

// A whole number from `least` to `most`. Errors: InvalidArgument.
absl::StatusOr<int> ParseNumber(std::string_view text, int least, int most);

}  // namespace filesync
