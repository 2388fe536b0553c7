// Jitter: so that agents do not do the same thing at the same moment. Thread-safe.
#pragma once

#include <random>

namespace filesync {

// Uniform in [0, 1).
inline double Jitter() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return std::uniform_real_distribution<double>()(generator);
}

}  // namespace filesync
