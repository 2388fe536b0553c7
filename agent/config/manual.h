// The manual page syncagent(1) and the reference in Markdown, made from the tables. Pure.
#pragma once

#include <string>

namespace filesync {

// In man(7)'s markup.
std::string ManualPage();
// docs/syncagent.md.
std::string Reference();

}  // namespace filesync
