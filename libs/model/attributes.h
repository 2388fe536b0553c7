// Attributes: what an entry carries beside content, permissions and time for agents that preserve
// it: owner and group, and extended attributes. Immutable values that are shared; thread-safe.
//
// A null part says nothing: nobody who preserves it has seen the entry, or the location can't
// tell. It never means "none"; that is an empty Xattrs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace filesync {

// Limits of one entry, so that what is carried has a bound everywhere.
inline constexpr size_t kMaxXattrs = 128;
inline constexpr size_t kMaxXattrNameBytes = 255;
inline constexpr size_t kMaxXattrBytes = 64 << 10;  // of all names and values together
inline constexpr size_t kMaxAccountNameBytes = 255;

struct Owner {
  std::string user;   // empty: the id has no name
  std::string group;  // the same
  uint32_t uid = 0;   // counts where the name is not known
  uint32_t gid = 0;
};

using Xattrs = std::map<std::string, std::string>;  // name with its namespace -> value

struct Attributes {
  std::shared_ptr<const Owner> owner;
  std::shared_ptr<const Xattrs> xattrs;
  bool SaySomething() const { return owner != nullptr || xattrs != nullptr; }
};

// By name where both have one, else by id.
bool SameOwner(const Owner& a, const Owner& b);
// Each part is the same, or null in both.
bool SameAttributes(const Attributes& a, const Attributes& b);
// Each part is the same wherever both say something.
bool AgreeingAttributes(const Attributes& a, const Attributes& b);
// `a` has a part that `b` says nothing of.
bool SaysMore(const Attributes& a, const Attributes& b);

// What goes on to others of a path that was agreed on as `agreed`, when it looked like `before`
// here then and looks like `now`: what changed here, and of the rest what was agreed, whether it
// could be stored here or not. With nothing seen before, what was agreed goes before what is seen.
Attributes CarryOver(const Attributes& agreed, const Attributes& before, const Attributes& now);

// Bytes that it takes on the wire, about.
size_t AttributeBytes(const Attributes& attributes);
// InvalidArgument, with a sentence, when a limit or a rule of form is broken.
absl::Status CheckAttributes(const Attributes& attributes);
// Whether an extended attribute is one that travels: user.*, POSIX ACLs and file capabilities.
// What belongs to a host (security labels, trusted.*) does not.
bool IsCarriedXattr(std::string_view name);

// What an agent looks at and sets of these.
struct Preserve {
  bool owner = false;
  bool xattrs = false;
  bool any() const { return owner || xattrs; }
  // "owner", "xattr", both with a comma between, or "none" or nothing. InvalidArgument for others.
  static absl::StatusOr<Preserve> Parse(std::string_view text);
};

}  // namespace filesync
