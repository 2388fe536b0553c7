#include "libs/content/content.h"

#include "libs/base/coding.h"

namespace filesync {

template <typename Tag>
std::string Hash256<Tag>::ToHex() const {
  return HexEncode(bytes());
}

template class Hash256<ChunkIdTag>;
template class Hash256<ContentHashTag>;

}  // namespace filesync
