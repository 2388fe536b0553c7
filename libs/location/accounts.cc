#include "libs/location/accounts.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <vector>

#include "absl/time/clock.h"

namespace filesync {
namespace {

constexpr absl::Duration kKept = absl::Minutes(1);
// Names arrive from others; nobody is to fill the memory with them.
constexpr size_t kMostNamesKept = 10'000;
constexpr size_t kLargestRecord = 1 << 20;

// Calls one of the get*_r functions, with more room until it suffices.
template <typename Record, typename Call>
bool LookUp(Record& record, std::vector<char>& buffer, Call call) {
  buffer.resize(4096);
  while (true) {
    Record* found = nullptr;
    const int error = call(&record, buffer.data(), buffer.size(), &found);
    if (error == EINTR) continue;
    if (error != ERANGE || buffer.size() >= kLargestRecord) return error == 0 && found != nullptr;
    buffer.resize(buffer.size() * 4);
  }
}

std::string UserName(uint32_t uid) {
  passwd record{};
  std::vector<char> buffer;
  const bool found = LookUp(record, buffer, [uid](auto* into, char* room, size_t size, auto** out) {
    return getpwuid_r(uid, into, room, size, out);
  });
  return found ? record.pw_name : "";
}

std::string GroupName(uint32_t gid) {
  group record{};
  std::vector<char> buffer;
  const bool found = LookUp(record, buffer, [gid](auto* into, char* room, size_t size, auto** out) {
    return getgrgid_r(gid, into, room, size, out);
  });
  return found ? record.gr_name : "";
}

std::optional<uint32_t> FindUser(const std::string& name) {
  passwd record{};
  std::vector<char> buffer;
  const bool found =
      LookUp(record, buffer, [&name](auto* into, char* room, size_t size, auto** out) {
        return getpwnam_r(name.c_str(), into, room, size, out);
      });
  return found ? std::optional<uint32_t>(record.pw_uid) : std::nullopt;
}

std::optional<uint32_t> FindGroup(const std::string& name) {
  group record{};
  std::vector<char> buffer;
  const bool found =
      LookUp(record, buffer, [&name](auto* into, char* room, size_t size, auto** out) {
        return getgrnam_r(name.c_str(), into, room, size, out);
      });
  return found ? std::optional<uint32_t>(record.gr_gid) : std::nullopt;
}

}  // namespace

void Accounts::ForgetOld() {
  const absl::Time now = absl::Now();
  if (now < forget_at_ && users_.size() + groups_.size() + owners_.size() < kMostNamesKept) return;
  forget_at_ = now + kKept;
  owners_.clear();
  users_.clear();
  groups_.clear();
}

std::shared_ptr<const Owner> Accounts::OwnerOf(uint32_t uid, uint32_t gid) {
  absl::MutexLock lock(&mutex_);
  ForgetOld();
  std::shared_ptr<const Owner>& known = owners_[{uid, gid}];
  if (known == nullptr) {
    known = std::make_shared<const Owner>(Owner{UserName(uid), GroupName(gid), uid, gid});
  }
  return known;
}

uint32_t Accounts::UserId(const Owner& owner) {
  if (owner.user.empty()) return owner.uid;
  absl::MutexLock lock(&mutex_);
  ForgetOld();
  const auto [known, is_new] = users_.try_emplace(owner.user);
  if (is_new) known->second = FindUser(owner.user);
  return known->second.value_or(owner.uid);
}

uint32_t Accounts::GroupId(const Owner& owner) {
  if (owner.group.empty()) return owner.gid;
  absl::MutexLock lock(&mutex_);
  ForgetOld();
  const auto [known, is_new] = groups_.try_emplace(owner.group);
  if (is_new) known->second = FindGroup(owner.group);
  return known->second.value_or(owner.gid);
}

}  // namespace filesync
