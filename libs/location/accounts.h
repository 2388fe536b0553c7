// Accounts: the host's names of users and groups, looked up once a minute at most. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/model/attributes.h"

namespace filesync {

class Accounts {
 public:
  // The ids with their names, where they have some.
  std::shared_ptr<const Owner> OwnerOf(uint32_t uid, uint32_t gid);
  // By name where the host knows it, else by number.
  uint32_t UserId(const Owner& owner);
  uint32_t GroupId(const Owner& owner);

 private:
  void ForgetOld() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  absl::Time forget_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::map<std::pair<uint32_t, uint32_t>, std::shared_ptr<const Owner>> owners_
      ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::optional<uint32_t>> users_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::optional<uint32_t>> groups_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
