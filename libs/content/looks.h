// Looks: what a file's first bytes look like, to tell contents apart that people work with from
// contents that something made of them. A guess by design: it only decides whether a person is
// asked. Thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/strings/cord.h"

namespace filesync {

enum class Looks : uint8_t {
  kText,       // UTF-8 without control characters; also what is too short to tell
  kKnown,      // begins as a common format does (images, archives, documents, programs, …)
  kOther,      // some binary format, with patterns in it
  kScrambled,  // no pattern at all, and no format's beginning: encrypted, or random
  kBlank,      // empty, or one byte over and over
};

// How much of a file's beginning is worth handing over, in bytes.
inline constexpr size_t kLooksBytes = 4 << 10;

// `head` is a file's beginning, the whole file if that is shorter than kLooksBytes.
Looks LookAtBytes(std::string_view head);
Looks LookAtHead(const absl::Cord& bytes);

}  // namespace filesync
