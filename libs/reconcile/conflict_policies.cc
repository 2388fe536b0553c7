#include "libs/reconcile/conflict_policies.h"

#include <optional>

#include "libs/base/status.h"

namespace filesync {

absl::Status ConflictPolicies::Add(std::string_view text) {
  const size_t equals = text.rfind('=');
  const bool by_pattern = equals != std::string_view::npos;
  const std::string_view name = by_pattern ? text.substr(equals + 1) : text;
  const std::optional<ConflictPolicy> policy = ParseConflictPolicy(name);
  if (!policy.has_value()) {
    return InvalidArgument(
        "'{}' is no policy; expected newest, keep-local, keep-remote, keep-both or manual, or "
        "PATTERN=POLICY",
        EscapeForPeople(name));
  }
  if (!by_pattern) {
    default_ = *policy;
    return absl::OkStatus();
  }
  FS_ASSIGN_OR_RETURN(std::optional<IgnorePattern> pattern,
                      IgnorePattern::Parse(text.substr(0, equals), IgnoreSyntax::kGit));
  if (!pattern.has_value() || pattern->negated()) {
    return InvalidArgument("'{}' is no pattern of paths; expected one like '*.db' or 'src/**'",
                           EscapeForPeople(text.substr(0, equals)));
  }
  by_pattern_.emplace_back(*std::move(pattern), *policy);
  return absl::OkStatus();
}

ConflictPolicy ConflictPolicies::For(const RelPath& path) const {
  for (auto it = by_pattern_.rbegin(); it != by_pattern_.rend(); ++it) {
    // As in an ignore file, what a pattern says of a directory goes for what is in it.
    for (RelPath at = path; !at.IsRoot(); at = at.Parent()) {
      const IgnorePattern::Candidate candidate{at.bytes(), at.Name(), at != path};
      if (it->first.Matches(candidate)) return it->second;
    }
  }
  return default_;
}

}  // namespace filesync
