// The project's version, "MAJOR.MINOR.PATCH". It is stated once, in the top CMakeLists.txt.
#pragma once

namespace filesync {

extern const char kVersion[];

}  // namespace filesync
