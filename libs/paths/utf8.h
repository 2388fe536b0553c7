// UTF-8 decoding for paths, which may be any bytes. Thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

namespace filesync {

struct CodePoint {
  uint32_t value = 0;
  size_t length = 0;  // bytes; 0: not valid UTF-8 here
};

// The code point at the front of `bytes` (not empty): shortest form only, no surrogates.
CodePoint DecodeUtf8(std::string_view bytes);

// True when all of `bytes` is valid UTF-8.
bool IsUtf8(std::string_view bytes);

// True for code points that show nothing or turn text around: zero-width and bidirectional
// controls, and what HFS+ ignores in names.
bool IsInvisible(uint32_t code_point);

}  // namespace filesync
