#include "agent/config/env_file.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "agent/config/older_names.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr std::string_view kExport = "export ";

struct Assignment {
  std::string name;
  std::string value;
};

bool IsName(std::string_view text) {
  if (text.empty() || absl::ascii_isdigit(static_cast<unsigned char>(text.front()))) return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_') return false;
  }
  return true;
}

char Unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    default:
      return c;
  }
}

// What stands in quotes; after them only a comment may follow.
absl::StatusOr<std::string> ParseQuoted(std::string_view text) {
  const char quote = text.front();
  std::string value;
  size_t i = 1;
  for (; i < text.size() && text[i] != quote; ++i) {
    if (quote == '"' && text[i] == '\\' && i + 1 < text.size()) {
      value += Unescape(text[++i]);
    } else {
      value += text[i];
    }
  }
  if (i == text.size()) return InvalidArgument("expected a closing {}", quote);
  const absl::string_view rest = absl::StripAsciiWhitespace(ToAbsl(text.substr(i + 1)));
  if (!rest.empty() && rest.front() != '#') {
    return InvalidArgument("expected nothing but a comment after the closing {}", quote);
  }
  return value;
}

absl::StatusOr<std::string> ParseValue(std::string_view text) {
  text = ToStd(absl::StripAsciiWhitespace(ToAbsl(text)));
  if (!text.empty() && (text.front() == '\'' || text.front() == '"')) return ParseQuoted(text);
  // A comment begins at a # after white space; "#" within a word is part of it.
  for (size_t i = 0; i < text.size(); ++i) {
    const bool after_space = i == 0 || text[i - 1] == ' ' || text[i - 1] == '\t';
    if (text[i] == '#' && after_space) {
      text = text.substr(0, i);
      break;
    }
  }
  return std::string(absl::StripTrailingAsciiWhitespace(ToAbsl(text)));
}

absl::StatusOr<std::optional<Assignment>> ParseLine(std::string_view line) {
  line = ToStd(absl::StripAsciiWhitespace(ToAbsl(line)));
  if (line.empty() || line.front() == '#') return std::nullopt;
  if (line.starts_with(kExport)) line.remove_prefix(kExport.size());
  const size_t equals = line.find('=');
  const std::string_view name =
      ToStd(absl::StripAsciiWhitespace(ToAbsl(line.substr(0, std::min(equals, line.size())))));
  if (equals == std::string_view::npos || !IsName(name)) {
    return InvalidArgument("expected NAME=VALUE, or # and a comment");
  }
  FS_ASSIGN_OR_RETURN(std::string value, ParseValue(line.substr(equals + 1)));
  return Assignment{std::string(name), std::move(value)};
}

// Adds what `said` means to `ours` or, when it has an older tool's name, to `older`.
absl::Status Take(const Assignment& said, const std::string& where, Layer& ours, Layer& older) {
  if (const OptionDefinition* option = FindSettingByEnvironmentName(said.name); option != nullptr) {
    if (said.value.empty()) return absl::OkStatus();
    absl::StatusOr<std::vector<std::string>> texts = SplitValue(*option, said.value);
    if (!texts.ok()) return Annotate(texts.status(), said.name);
    ours[option->name] = {*std::move(texts), where};
    return absl::OkStatus();
  }
  if (std::string_view(said.name).starts_with(kEnvironmentPrefix)) {
    return InvalidArgument("{} is no setting; `syncagent man` lists them", said.name);
  }
  if (said.value.empty()) return absl::OkStatus();
  return Annotate(TranslateOlderName(said.name, said.value, where, older), said.name);
}

}  // namespace

absl::StatusOr<Layer> ParseEnvFile(const std::string& name, std::string_view text) {
  Layer ours;
  Layer older;
  size_t number = 0;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    const std::string where = fmt::format("{}:{}", name, ++number);
    if (line.find('\0') != absl::string_view::npos) {
      return InvalidArgument("{}: expected text, found a zero byte", where);
    }
    absl::StatusOr<std::optional<Assignment>> said = ParseLine(ToStd(line));
    if (!said.ok()) return Annotate(said.status(), where);
    if (!said->has_value()) continue;
    FS_RETURN_IF_ERROR(Annotate(Take(**said, where, ours, older), where));
  }
  ours.merge(older);  // what has both names keeps ours
  return ours;
}

}  // namespace filesync
