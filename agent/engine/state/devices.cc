// The state's part about devices: their numbers may be others after a start of the host.

#include <sqlite3.h>

#include <utility>

#include "agent/engine/state/encoding.h"
#include "agent/engine/state/state.h"
#include "agent/engine/state/statement.h"
#include "libs/base/coding.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

// Set where devices are kept by number still.
constexpr char kDevicesKey[] = "devices";
// Where a root's device stands in its older key, after the marker's id.
constexpr size_t kRootIdBytes = 16;

}  // namespace

uint64_t State::StoredDevice(uint64_t device) {
  return file_systems_ == nullptr ? device : file_systems_->ToStored(device);
}

uint64_t State::DeviceFrom(uint64_t stored) {
  return file_systems_ == nullptr ? stored : file_systems_->FromStored(stored);
}

absl::Status State::UseFileSystems(std::unique_ptr<FileSystems> file_systems) {
  std::lock_guard lock(mutex_);
  file_systems_ = std::move(file_systems);
  FS_ASSIGN_OR_RETURN(const auto devices, GetMeta(kDevicesKey));
  if (devices.value_or("").empty()) return absl::OkStatus();
  FS_ASSIGN_OR_RETURN(const auto root, GetMeta("root"));
  Transaction transaction(this);
  std::vector<uint64_t> numbers;
  {
    STATE_PREPARE(statement, "SELECT DISTINCT device FROM base");
    int code = SQLITE_ROW;
    while ((code = statement.Step()) == SQLITE_ROW) numbers.push_back(statement.Number(0));
    if (code != SQLITE_DONE) return Error("cannot read bases");
  }
  // The root was on this one, whatever its number is by now.
  const bool known = root.has_value() && root->size() == kOlderRootKeyBytes;
  const uint64_t of_root = known ? ReadBigEndian64(root->data() + kRootIdBytes) : 0;
  for (const uint64_t number : numbers) {
    const uint64_t name = known && number == of_root ? 0 : file_systems_->ToStored(number);
    STATE_PREPARE(statement, "UPDATE base SET device = ?1 WHERE device = ?2");
    statement.Int(name).Int(number);
    if (statement.Step() != SQLITE_DONE) return Error("cannot convert devices");
  }
  FS_RETURN_IF_ERROR(SetMeta(kDevicesKey, ""));
  return transaction.Commit();
}

}  // namespace filesync
