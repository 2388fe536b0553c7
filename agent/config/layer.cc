#include "agent/config/layer.h"

#include "absl/strings/ascii.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

void TakeItem(std::string& item, std::vector<std::string>& items) {
  const absl::string_view stripped = absl::StripAsciiWhitespace(item);
  if (!stripped.empty()) items.emplace_back(stripped);
  item.clear();
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> items;
  std::string item;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ',') {
      item += text[++i];
    } else if (text[i] == ',' || text[i] == '\n') {
      TakeItem(item, items);
    } else {
      item += text[i];
    }
  }
  TakeItem(item, items);
  return items;
}

}  // namespace

absl::StatusOr<std::string> CanonicalSwitch(std::string_view text) {
  const std::string lower = absl::AsciiStrToLower(ToAbsl(text));
  for (const char* yes : {"true", "yes", "on", "1"}) {
    if (lower == yes) return "true";
  }
  for (const char* no : {"false", "no", "off", "0"}) {
    if (lower == no) return "false";
  }
  return InvalidArgument("\"{}\": expected true or false", text);
}

absl::StatusOr<std::vector<std::string>> SplitValue(const OptionDefinition& option,
                                                    std::string_view text) {
  if (option.kind == ValueKind::kSwitch) {
    FS_ASSIGN_OR_RETURN(std::string value, CanonicalSwitch(text));
    return std::vector<std::string>{std::move(value)};
  }
  if (option.repeatable) return SplitList(text);
  return std::vector<std::string>{std::string(text)};
}

absl::StatusOr<Environment> ReadEnvironment(const char* const* environment) {
  Environment found;
  for (; *environment != nullptr; ++environment) {
    const std::string_view variable = *environment;
    const size_t equals = variable.find('=');
    if (!variable.starts_with(kEnvironmentPrefix) || equals == std::string_view::npos) continue;
    const std::string_view name = variable.substr(0, equals);
    const std::string_view value = variable.substr(equals + 1);
    const OptionDefinition* option = FindSettingByEnvironmentName(name);
    // What a hook is told is no setting of an agent that it starts.
    if (name.starts_with("SYNCAGENT_HOOK_") && option == nullptr) continue;
    if (option == nullptr) {
      found.unknown.emplace_back(name);
      continue;
    }
    if (value.empty()) continue;  // as if it were not there, which is how compose files unset
    absl::StatusOr<std::vector<std::string>> texts = SplitValue(*option, value);
    if (!texts.ok()) return Annotate(texts.status(), name);
    found.layer[option->name] = {*std::move(texts), std::string(name)};
  }
  return found;
}

}  // namespace filesync
