// Zeros: finding runs of zero bytes, which sparse files need not keep. Thread-safe.
#pragma once

#include <cstring>
#include <string_view>

namespace filesync {

// True when `bytes` are all zero; quick to say no. True for none.
inline bool IsAllZero(std::string_view bytes) {
  return bytes.empty() ||
         (bytes.front() == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace filesync
