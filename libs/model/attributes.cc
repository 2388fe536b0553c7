#include "libs/model/attributes.h"

#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr std::string_view kUser = "user.";
constexpr std::string_view kCarried[] = {"system.posix_acl_access", "system.posix_acl_default",
                                         "security.capability"};

bool SameAccount(const std::string& name_a, uint32_t id_a, const std::string& name_b,
                 uint32_t id_b) {
  return name_a.empty() || name_b.empty() ? id_a == id_b : name_a == name_b;
}

bool SameXattrs(const Xattrs& a, const Xattrs& b) { return a == b; }

// How two parts compare; `unsaid` when one of them is null.
template <typename Part, typename Same>
bool Compare(const Part& a, const Part& b, bool unsaid, Same same) {
  if (a == nullptr && b == nullptr) return true;
  if (a == nullptr || b == nullptr) return unsaid;
  return same(*a, *b);
}

bool CompareAll(const Attributes& a, const Attributes& b, bool unsaid) {
  return Compare(a.owner, b.owner, unsaid, SameOwner) &&
         Compare(a.xattrs, b.xattrs, unsaid, SameXattrs);
}

// User and group each for itself, because a group can often be given where a user can't.
std::shared_ptr<const Owner> MergeOwner(const Owner& agreed, const Owner& before,
                                        const Owner& now) {
  Owner merged = agreed;
  if (now.uid != before.uid) {
    merged.user = now.user;
    merged.uid = now.uid;
  }
  if (now.gid != before.gid) {
    merged.group = now.group;
    merged.gid = now.gid;
  }
  return std::make_shared<const Owner>(std::move(merged));
}

std::shared_ptr<const Xattrs> MergeXattrs(const Xattrs& agreed, const Xattrs& before,
                                          const Xattrs& now) {
  Xattrs merged = agreed;
  for (const auto& [name, value] : before) {
    if (!now.contains(name)) merged.erase(name);
  }
  for (const auto& [name, value] : now) {
    const auto old = before.find(name);
    if (old == before.end() || old->second != value) merged[name] = value;
  }
  return std::make_shared<const Xattrs>(std::move(merged));
}

// The rules of CarryOver for one part.
template <typename Part, typename Same, typename Merge>
Part Carry(const Part& agreed, const Part& before, const Part& now, Same same, Merge merge) {
  if (now == nullptr) return agreed;
  if (before == nullptr) return agreed != nullptr ? agreed : now;
  if (same(*before, *now)) return agreed;
  return agreed != nullptr ? merge(*agreed, *before, *now) : now;
}

bool SameIds(const Owner& a, const Owner& b) { return a.uid == b.uid && a.gid == b.gid; }

absl::Status CheckAccountName(std::string_view name, std::string_view what) {
  if (name.size() > kMaxAccountNameBytes || name.find('\0') != std::string_view::npos) {
    return InvalidArgument("the {}'s name has {} bytes or a NUL; at most {} are carried", what,
                           name.size(), kMaxAccountNameBytes);
  }
  return absl::OkStatus();
}

}  // namespace

bool SameOwner(const Owner& a, const Owner& b) {
  return SameAccount(a.user, a.uid, b.user, b.uid) && SameAccount(a.group, a.gid, b.group, b.gid);
}

bool SameAttributes(const Attributes& a, const Attributes& b) { return CompareAll(a, b, false); }

bool AgreeingAttributes(const Attributes& a, const Attributes& b) { return CompareAll(a, b, true); }

bool SaysMore(const Attributes& a, const Attributes& b) {
  return (a.owner != nullptr && b.owner == nullptr) || (a.xattrs != nullptr && b.xattrs == nullptr);
}

Attributes CarryOver(const Attributes& agreed, const Attributes& before, const Attributes& now) {
  Attributes carried;
  carried.owner = Carry(agreed.owner, before.owner, now.owner, SameIds, MergeOwner);
  carried.xattrs = Carry(agreed.xattrs, before.xattrs, now.xattrs, SameXattrs, MergeXattrs);
  return carried;
}

size_t AttributeBytes(const Attributes& attributes) {
  size_t bytes = 0;
  if (attributes.owner != nullptr) {
    bytes += attributes.owner->user.size() + attributes.owner->group.size() + 8;
  }
  if (attributes.xattrs == nullptr) return bytes;
  for (const auto& [name, value] : *attributes.xattrs) bytes += name.size() + value.size();
  return bytes;
}

absl::Status CheckAttributes(const Attributes& attributes) {
  if (attributes.owner != nullptr) {
    FS_RETURN_IF_ERROR(CheckAccountName(attributes.owner->user, "owner"));
    FS_RETURN_IF_ERROR(CheckAccountName(attributes.owner->group, "group"));
  }
  if (attributes.xattrs == nullptr) return absl::OkStatus();
  if (attributes.xattrs->size() > kMaxXattrs) {
    return InvalidArgument("it has {} extended attributes; at most {} are carried",
                           attributes.xattrs->size(), kMaxXattrs);
  }
  size_t bytes = 0;
  for (const auto& [name, value] : *attributes.xattrs) {
    if (name.empty() || name.size() > kMaxXattrNameBytes || name.find('\0') != std::string::npos) {
      return InvalidArgument("an extended attribute's name has {} bytes or a NUL, not 1 to {}",
                             name.size(), kMaxXattrNameBytes);
    }
    bytes += name.size() + value.size();
  }
  if (bytes > kMaxXattrBytes) {
    return InvalidArgument("its extended attributes take {} bytes; at most {} are carried", bytes,
                           kMaxXattrBytes);
  }
  return absl::OkStatus();
}

bool IsCarriedXattr(std::string_view name) {
  if (name.size() > kUser.size() && name.starts_with(kUser)) return true;
  for (const std::string_view carried : kCarried) {
    if (name == carried) return true;
  }
  return false;
}

absl::StatusOr<Preserve> Preserve::Parse(std::string_view text) {
  Preserve preserve;
  if (text.empty() || text == "none") return preserve;
  while (true) {
    const size_t comma = text.find(',');
    const std::string_view word = text.substr(0, comma);
    if (word == "owner") {
      preserve.owner = true;
    } else if (word == "xattr") {
      preserve.xattrs = true;
    } else {
      return InvalidArgument("\"{}\": expected owner, xattr, both with a comma between, or none",
                             word);
    }
    if (comma == std::string_view::npos) return preserve;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace filesync
