// ZeroRun: what long runs of zero bytes are cut into. They are what holes of sparse files read
// as: with this, holes are neither read nor sent nor written. Thread-safe.
#pragma once

#include <string_view>

#include "libs/chunking/fast_cdc.h"
#include "libs/content/content.h"

namespace filesync {

// The chunk that is cut off any run of at least sizes.max() zero bytes. `sizes` must be of a
// valid average.
const ChunkRef& ZeroChunk(const ChunkSizes& sizes);
// Its bytes.
std::string_view ZeroChunkBytes(const ChunkSizes& sizes);

}  // namespace filesync
