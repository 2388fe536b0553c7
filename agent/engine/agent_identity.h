// AgentIdentity: which root a state was made for, and by which id the agent of a root goes.
//
// The id stands in the state and in a small file beside it (.syncagent/agent-id), so that an agent
// whose state is lost or damaged is still the one that the server knows. It belongs to its root: a
// copy of the directory is another agent.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "libs/location/local_directory.h"

namespace filesync {

// As the state notes it; another one for each root.
std::string RootKey(const RootIdentity& identity);
// Whether `key`, as the state has it, is of this root. States of before 0.3 say so in another way.
bool IsKeyOf(std::string_view key, const RootIdentity& identity);

// 16 random bytes.
std::string NewAgentId();
// The id that was noted for this very root; a new one when there is none.
std::string ReadAgentId(const LocalDirectory& directory);
// Notes it, unless it is noted already.
absl::Status NoteAgentId(LocalDirectory& directory, const std::string& agent_id);

}  // namespace filesync
