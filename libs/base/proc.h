// Proc: what the kernel tells of this process. Thread-safe.
#pragma once

#include <cstdint>
#include <string>

namespace filesync {

// The whole of a small file (at most 1 MiB) such as those in /proc; "" when it can't be read.
std::string ReadSmallFile(const std::string& path);

struct ProcessFigures {
  double cpu_seconds = 0;
  double start_time_seconds = 0;  // since the Unix epoch
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t open_fds = 0;
  uint64_t max_fds = 0;
};
ProcessFigures ReadProcessFigures();

// Lets the C library keep freed message buffers for the next ones, instead of giving every one
// back to the kernel and having its pages cleared anew: a quarter of the cost of moving bulk data.
// For a program's start; it may keep up to 32 MiB more per arena.
void KeepFreedBuffers();

// Mutexes remember in which order they are taken, to tell of deadlocks that may come of it: a
// help for tests, which costs each lock. For a program's start, before there are threads.
void CheckNoLockOrder();

}  // namespace filesync
