// Coding: fixed-width big-endian integers (they sort as they count), and hex.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace filesync {

void AppendBigEndian32(std::string& out, uint32_t value);
void AppendBigEndian64(std::string& out, uint64_t value);
// The caller has checked that 4 or 8 bytes are there.
uint32_t ReadBigEndian32(const char* bytes);
uint64_t ReadBigEndian64(const char* bytes);

std::string HexEncode(std::string_view bytes);
// nullopt when `hex` has an odd length or another character than [0-9a-fA-F].
std::optional<std::string> HexDecode(std::string_view hex);

// `size` bytes from the operating system's random generator.
std::string RandomBytes(size_t size);

}  // namespace filesync
