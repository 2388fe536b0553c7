// What the running agent answers to `syncagent resolve`. Thread-safe.
#pragma once

#include "agent/engine/location_sync.h"
#include "filesync/control/v1/control.pb.h"

namespace filesync {

void AnswerResolve(LocationSync& sync, const control::v1::ResolveRequest& request,
                   control::v1::ResolveAnswer* answer);

// What a held conflict is settled by; nullopt for what is no answer to one.
std::optional<ConflictPolicy> PolicyOf(control::v1::Keep keep);

}  // namespace filesync
