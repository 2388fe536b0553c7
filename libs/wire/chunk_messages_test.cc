#include "libs/wire/chunk_messages.h"

#include <grpcpp/support/slice.h>
#include <gtest/gtest.h>

#include <random>

#include "libs/content/frame.h"
#include "libs/content/hasher.h"
#include "libs/wire/convert.h"

namespace filesync {
namespace {

StoredChunk MakeChunk(size_t size, ChunkKind kind) {
  std::mt19937_64 random(size);
  std::string plain(size, '\0');
  for (char& c : plain) c = static_cast<char>(random());
  return {HashChunk(kind, plain), kind, absl::Cord(EncodeFrame(plain))};
}

// Of sizes on both sides of what is worth a piece of its own.
std::vector<StoredChunk> MakeChunks() {
  std::vector<StoredChunk> chunks;
  for (const size_t size : {0, 1, 100, 16'000, 17'000, 150'000, 5}) {
    chunks.push_back(MakeChunk(size, size == 100 ? ChunkKind::kList : ChunkKind::kData));
  }
  return chunks;
}

std::string Bytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// As a network might deliver it.
grpc::ByteBuffer InSlices(std::string_view bytes, size_t size) {
  std::vector<grpc::Slice> slices;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, size);
    slices.emplace_back(piece.data(), piece.size());
    bytes.remove_prefix(piece.size());
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

void ExpectSame(const std::vector<StoredChunk>& actual, const std::vector<StoredChunk>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_EQ(actual[i].id, expected[i].id) << i;
    EXPECT_EQ(actual[i].frame, expected[i].frame) << i;
  }
}

TEST(ChunkMessagesTest, UploadsAreWhatTheGeneratedClassReads) {
  const ChunkUploadMessage message{
      .folder = 7, .agent_id = "0123456789abcdef", .sequence = 300, .chunks = MakeChunks()};
  v1::UploadChunksRequest proto;
  ASSERT_TRUE(proto.ParseFromString(Bytes(SerializeUpload(message))));
  EXPECT_EQ(proto.folder_id(), 7u);
  EXPECT_EQ(proto.agent_id(), message.agent_id);
  EXPECT_EQ(proto.sequence(), 300u);
  ASSERT_EQ(static_cast<size_t>(proto.chunks_size()), message.chunks.size());
  for (int i = 0; i < proto.chunks_size(); ++i) {
    absl::StatusOr<StoredChunk> chunk = FromProto(std::move(*proto.mutable_chunks(i)));
    ASSERT_TRUE(chunk.ok()) << chunk.status();
    EXPECT_EQ(chunk->id, message.chunks[i].id);
    EXPECT_EQ(chunk->kind, message.chunks[i].kind);
    EXPECT_EQ(chunk->frame, message.chunks[i].frame);
  }
}

TEST(ChunkMessagesTest, UploadsOfTheGeneratedClassAreReadInAnySlices) {
  v1::UploadChunksRequest proto;
  const std::vector<StoredChunk> chunks = MakeChunks();
  for (const StoredChunk& chunk : chunks) ToProto(chunk, proto.add_chunks());
  proto.set_sequence(2);
  proto.set_folder_id(9);
  const std::string bytes = proto.SerializeAsString();
  for (const size_t size : {1u, 7u, 1000u, 20'000u, 65'536u, 1'000'000u}) {
    SCOPED_TRACE(size);
    absl::StatusOr<ChunkUploadMessage> message = ParseUpload(InSlices(bytes, size));
    ASSERT_TRUE(message.ok()) << message.status();
    EXPECT_EQ(message->folder, 9u);
    EXPECT_EQ(message->sequence, 2u);
    EXPECT_EQ(message->agent_id, "");
    ExpectSame(message->chunks, chunks);
    EXPECT_EQ(message->chunks[2].kind, ChunkKind::kList);
  }
}

TEST(ChunkMessagesTest, DownloadsGoBothWays) {
  const std::vector<StoredChunk> chunks = MakeChunks();
  const std::string bytes = Bytes(SerializeDownload(chunks));
  v1::DownloadChunksResponse proto;
  ASSERT_TRUE(proto.ParseFromString(bytes));
  ASSERT_EQ(static_cast<size_t>(proto.chunks_size()), chunks.size());
  EXPECT_EQ(proto.chunks(5).frame(), chunks[5].frame);
  EXPECT_EQ(proto.chunks(5).kind(), v1::CHUNK_KIND_UNSPECIFIED);
  const absl::StatusOr<std::vector<StoredChunk>> read = ParseDownload(InSlices(bytes, 30'000));
  ASSERT_TRUE(read.ok()) << read.status();
  ExpectSame(*read, chunks);
}

TEST(ChunkMessagesTest, FieldsThatAreNotKnownAreLeftOut) {
  v1::UploadChunksRequest proto;
  ToProto(MakeChunk(100, ChunkKind::kData), proto.add_chunks());
  proto.GetReflection()->MutableUnknownFields(&proto)->AddVarint(99, 1);
  v1::PackedChunk* chunk = proto.mutable_chunks(0);
  chunk->GetReflection()->MutableUnknownFields(chunk)->AddLengthDelimited(98, "news");
  EXPECT_TRUE(ParseUpload(InSlices(proto.SerializeAsString(), 50)).ok());
}

// In time that grows with their size, as with the generated class.
TEST(ChunkMessagesTest, MessagesOfUnknownFieldsAreRead) {
  v1::UploadChunksRequest proto;
  proto.set_sequence(3);
  std::string bytes = proto.SerializeAsString();
  while (bytes.size() < kMaxMessageBytes) bytes += "\x78\x01";  // field 15: 1
  const absl::StatusOr<ChunkUploadMessage> message = ParseUpload(InSlices(bytes, 65'536));
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->sequence, 3u);
}

TEST(ChunkMessagesTest, CutMessagesAreRefused) {
  v1::UploadChunksRequest proto;
  ToProto(MakeChunk(300, ChunkKind::kData), proto.add_chunks());
  const std::string bytes = proto.SerializeAsString();
  for (size_t size = 1; size < bytes.size(); ++size) {
    const absl::Status status = ParseUpload(InSlices(bytes.substr(0, size), 64)).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << size << ": " << status;
    EXPECT_TRUE(absl::IsDataLoss(ParseDownload(InSlices(bytes.substr(0, size), 64)).status()));
  }
}

TEST(ChunkMessagesTest, RandomBytesAreReadOrRefused) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  v1::UploadChunksRequest proto;
  ToProto(MakeChunk(300, ChunkKind::kData), proto.add_chunks());
  const std::string good = proto.SerializeAsString();
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (int changes = 0; changes < 3; ++changes) {
      bytes[random() % 60] = static_cast<char>(random());
    }
    const absl::Status status = ParseUpload(InSlices(bytes, 1 + random() % 100)).status();
    EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << status;
  }
}

TEST(ChunkMessagesTest, LimitsAreKept) {
  v1::UploadChunksRequest proto;
  ToProto(MakeChunk(1, ChunkKind::kData), proto.add_chunks());
  proto.mutable_chunks(0)->set_frame(std::string(kMaxFrameSize + 1, 'f'));
  EXPECT_TRUE(
      absl::IsInvalidArgument(ParseUpload(InSlices(proto.SerializeAsString(), 65'536)).status()));
  proto.Clear();
  for (size_t i = 0; i <= kMaxIdsPerMessage; ++i) {
    ToProto(MakeChunk(1, ChunkKind::kData), proto.add_chunks());
  }
  EXPECT_TRUE(
      absl::IsInvalidArgument(ParseUpload(InSlices(proto.SerializeAsString(), 65'536)).status()));
}

TEST(ChunkMessagesTest, LargeFramesShareTheMemoryTheyCameIn) {
  const std::string bytes = Bytes(SerializeDownload({MakeChunk(200'000, ChunkKind::kData)}));
  bool held = true;
  auto release = [](void* flag) { *static_cast<bool*>(flag) = false; };
  absl::StatusOr<std::vector<StoredChunk>> read;
  {
    const grpc::Slice slice(const_cast<char*>(bytes.data()), bytes.size(), release, &held);
    const grpc::ByteBuffer buffer(&slice, 1);
    read = ParseDownload(buffer);
  }
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(held);
  const auto flat = read->front().frame.TryFlat();
  ASSERT_TRUE(flat.has_value());
  EXPECT_TRUE(flat->data() >= bytes.data() && flat->data() < bytes.data() + bytes.size());
  read->clear();
  EXPECT_FALSE(held);
}

}  // namespace
}  // namespace filesync
