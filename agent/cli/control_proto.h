// What the engine tells, as messages of the control socket. Names are escaped text. Pure.
#pragma once

#include <optional>

#include "agent/engine/progress.h"
#include "agent/engine/sync_event.h"
#include "agent/engine/sync_status.h"
#include "filesync/control/v1/control.pb.h"

namespace filesync {

void ToProto(const SyncStatus& status, bool running, control::v1::Status* proto);
void ToProto(const SyncEvent& event, control::v1::SyncEvent* proto);
void ToProto(const SyncProgress& progress, control::v1::Progress* proto);
void ToProto(absl::Time time, google::protobuf::Timestamp* proto);

// Back again, for people. nullopt: it is from another version of the program.
std::optional<SyncEvent> FromProto(const control::v1::SyncEvent& proto);
SyncProgress FromProto(const control::v1::Progress& proto);

}  // namespace filesync
