// Completion scripts for shells, made from the tables. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace filesync {

// For "bash", "zsh" or "fish"; nullopt for anything else.
std::optional<std::string> CompletionScript(std::string_view shell);

}  // namespace filesync
