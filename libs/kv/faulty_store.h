// FaultyKvStore: a KvStore whose writes fail as they are told, for tests of what stands on one.
// Thread-safe.
#pragma once

#include <functional>
#include <memory>

#include "libs/kv/kv_store.h"

namespace filesync {

// `before_write` is asked with each batch; nothing is written when its answer is not ok. It must be
// thread-safe. Fail makes the result unhealthy, as it does with a store on a disk.
std::unique_ptr<KvStore> NewFaultyKvStore(
    std::unique_ptr<KvStore> store, std::function<absl::Status(const KvBatch& batch)> before_write);

}  // namespace filesync
