// What of an entry is carried beside its content, between how it stands here and what was agreed:
// what changed here goes on, and what could not be stored here stays what it was. Engine's thread.
#pragma once

#include "agent/engine/engine_context.h"

namespace filesync {

// Sets permissions, time and attributes of `entry`, which stands here as `now` with
// `fingerprint`, given the row it was agreed on as (null: none).
void CarryMetadata(const BaseRow* agreed, const Fingerprint& fingerprint, const LocalMetadata& now,
                   Entry& entry);

// Of an upload over `remote`, what is there goes on unless it was changed here. Forgets in `local`
// what was taken from there and still has to be applied here.
void CarryFromRemote(const BaseRow* agreed, const Entry& remote, Entry& entry,
                     LocalMetadata& local);

// True when the entry says what this location never was made to be: it was agreed on before the
// agent preserved it, or came from the other side of a commit of ours.
bool AttributesToApply(const Attributes& here, const BaseRow& row);

// Carries on with what was just applied: sets what `wanted` says, and says once what can't be.
absl::StatusOr<ApplyResult> ApplyAttributes(EngineContext& context, const RelPath& path,
                                            absl::StatusOr<ApplyResult> applied,
                                            const Attributes& wanted);

}  // namespace filesync
