#include "libs/metadata/keys.h"

#include "libs/base/coding.h"

namespace filesync::keys {

std::string Incarnation(uint32_t number) {
  std::string key;
  AppendBigEndian32(key, number);
  return key;
}

std::string Folder(uint64_t folder) {
  std::string key;
  AppendBigEndian64(key, folder);
  return key;
}

std::string LastBatch(uint64_t folder, std::string_view agent) {
  return Folder(folder).append(agent);
}

std::string Batch(uint64_t folder, std::string_view agent, uint64_t batch) {
  std::string key = LastBatch(folder, agent);
  AppendBigEndian64(key, batch);
  return key;
}

std::string Entry(uint64_t folder, const RelPath& path) { return Folder(folder) + path.SortKey(); }

std::string EntriesBelow(uint64_t folder, const RelPath& directory) {
  if (directory.IsRoot()) return Folder(folder);
  return Entry(folder, directory) + '\0';
}

std::string PastBelow(uint64_t folder, const RelPath& directory) {
  return Entry(folder, directory) + '\1';
}

std::string Change(uint64_t folder, uint64_t version) {
  std::string key = Folder(folder);
  AppendBigEndian64(key, version);
  return key;
}

std::string HistoryOf(uint64_t folder, const RelPath& path) {
  return Entry(folder, path).append(2, '\0');
}

std::string History(uint64_t folder, const RelPath& path, uint64_t version) {
  std::string key = HistoryOf(folder, path);
  AppendBigEndian64(key, version);
  return key;
}

std::string Member(uint64_t folder, const ChunkId& id) { return Folder(folder).append(id.bytes()); }

std::string Agent(uint64_t folder, std::string_view agent) { return Folder(folder).append(agent); }

std::string ConflictsOf(uint64_t folder, std::string_view agent) {
  return Folder(folder).append(agent);
}

std::string Conflict(uint64_t folder, std::string_view agent, const RelPath& path) {
  return ConflictsOf(folder, agent).append(path.SortKey());
}

}  // namespace filesync::keys
