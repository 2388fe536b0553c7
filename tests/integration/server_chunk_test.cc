// ChunkService as a client sees it: what is missing, up, down, and what is refused.
#include "libs/chunking/content_list.h"
#include "libs/content/frame.h"
#include "libs/content/hasher.h"
#include "tests/integration/server_harness.h"

namespace filesync {
namespace {

class ServerChunkTest : public testing::Test {
 protected:
  void SetUp() override {
    channel_ = harness_.Connect();
    chunks_ = v1::ChunkService::NewStub(channel_);
    folder_ = FolderNumber("work");
  }

  uint64_t FolderNumber(const std::string& name) {
    RawStream stream(channel_, AgentId('a'));
    const auto welcome = stream.Hello(name);
    EXPECT_TRUE(welcome.has_value());
    return welcome.has_value() ? welcome->folder_id() : 0;
  }

  v1::UploadChunksRequest Load(uint64_t sequence, const std::vector<v1::PackedChunk>& chunks) {
    v1::UploadChunksRequest request;
    request.set_sequence(sequence);
    request.set_folder_id(folder_);
    request.set_agent_id(AgentId('a'));
    for (const v1::PackedChunk& chunk : chunks) *request.add_chunks() = chunk;
    return request;
  }

  // Sends the messages; the last acknowledged one goes to `*acknowledged`.
  grpc::Status Upload(const std::vector<v1::UploadChunksRequest>& messages,
                      uint64_t* acknowledged = nullptr) {
    grpc::ClientContext context;
    SetDeadline(context);
    const auto stream = chunks_->UploadChunks(&context);
    for (const v1::UploadChunksRequest& message : messages) {
      if (!stream->Write(message)) break;
    }
    stream->WritesDone();
    v1::UploadChunksResponse response;
    while (stream->Read(&response)) {
      if (acknowledged != nullptr) *acknowledged = response.sequence();
    }
    return stream->Finish();
  }

  std::vector<std::string> Missing(uint64_t folder, const std::vector<std::string>& ids,
                                   grpc::StatusCode expected = grpc::OK) {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::FindMissingChunksRequest request;
    request.set_folder_id(folder);
    for (const std::string& id : ids) request.add_ids(id);
    v1::FindMissingChunksResponse response;
    EXPECT_EQ(chunks_->FindMissingChunks(&context, request, &response).error_code(), expected);
    return {response.missing().begin(), response.missing().end()};
  }

  grpc::Status Download(uint64_t folder, const std::vector<std::string>& ids,
                        std::vector<v1::DownloadChunksResponse>* messages = nullptr) {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::DownloadChunksRequest request;
    request.set_folder_id(folder);
    for (const std::string& id : ids) request.add_ids(id);
    const auto stream = chunks_->DownloadChunks(&context, request);
    v1::DownloadChunksResponse response;
    while (stream->Read(&response)) {
      if (messages != nullptr) messages->push_back(response);
    }
    return stream->Finish();
  }

  TemporaryDirectory directory_;
  ServerHarness harness_{directory_.path()};
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ChunkService::Stub> chunks_;
  uint64_t folder_ = 0;
};

std::string Plain(size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

TEST_F(ServerChunkTest, WhatWasUploadedComesBackInTheOrderAsked) {
  std::vector<v1::UploadChunksRequest> messages;
  std::vector<std::string> plains;
  std::vector<std::string> ids;
  for (unsigned i = 0; i < 60; ++i) {
    plains.push_back(Plain(1000 + 5000 * (i % 40), i));
    const v1::PackedChunk packed = Pack(plains.back());
    ids.push_back(packed.id());
    messages.push_back(Load(i + 1, {packed}));
  }
  EXPECT_EQ(Missing(folder_, ids), ids);
  uint64_t acknowledged = 0;
  const grpc::Status uploaded = Upload(messages, &acknowledged);
  ASSERT_TRUE(uploaded.ok()) << uploaded.error_message();
  EXPECT_EQ(acknowledged, messages.size());
  EXPECT_TRUE(Missing(folder_, ids).empty());

  std::reverse(ids.begin(), ids.end());
  std::reverse(plains.begin(), plains.end());
  std::vector<v1::DownloadChunksResponse> received;
  ASSERT_TRUE(Download(folder_, ids, &received).ok());
  size_t next = 0;
  for (const v1::DownloadChunksResponse& message : received) {
    EXPECT_LE(message.ByteSizeLong(), (1u << 20) + 64 * 1024);
    for (const v1::PackedChunk& chunk : message.chunks()) {
      ASSERT_LT(next, ids.size());
      EXPECT_EQ(chunk.id(), ids[next]);
      EXPECT_EQ(*DecodeFrame(absl::Cord(chunk.frame())), plains[next]);
      ++next;
    }
  }
  EXPECT_EQ(next, ids.size());
  // Packed: far fewer messages than chunks.
  EXPECT_LT(received.size(), 15);
}

TEST_F(ServerChunkTest, LargestChunkTravelsAlone) {
  const v1::PackedChunk large = Pack(Plain(kMaxChunkSize, 1));
  const v1::PackedChunk small = Pack(Plain(100, 2));
  ASSERT_TRUE(Upload({Load(1, {small}), Load(2, {large})}).ok());
  std::vector<v1::DownloadChunksResponse> received;
  ASSERT_TRUE(Download(folder_, {small.id(), large.id(), small.id()}, &received).ok());
  ASSERT_EQ(received.size(), 3);
  EXPECT_EQ(received[1].chunks_size(), 1);
  EXPECT_EQ(received[1].chunks(0).frame(), large.frame());
}

TEST_F(ServerChunkTest, BytesThatDoNotHashToTheirIdAreRefusedWithTheirWholeMessage) {
  const v1::PackedChunk good = Pack("good");
  v1::PackedChunk forged = Pack("forged");
  forged.set_id(Pack("wanted").id());
  uint64_t acknowledged = 0;
  const grpc::Status status =
      Upload({Load(1, {Pack("before")}), Load(2, {good, forged})}, &acknowledged);
  EXPECT_EQ(status.error_code(), grpc::DATA_LOSS);
  EXPECT_LE(acknowledged, 1);
  const std::vector<std::string> ids = {good.id(), Pack("wanted").id(), Pack("forged").id()};
  EXPECT_EQ(Missing(folder_, ids), ids);
  EXPECT_EQ(Download(folder_, {good.id()}).error_code(), grpc::NOT_FOUND);
}

TEST_F(ServerChunkTest, FramesThatLieAboutTheirSizeAreRefused) {
  const std::string plain(5000, 'z');
  for (const uint32_t claimed : {0u, 4999u, 5001u, 1u << 20, 0x7fffffffu, 0xffffffffu}) {
    v1::PackedChunk chunk = Pack(plain);
    std::string frame = chunk.frame();
    for (int i = 0; i < 4; ++i) frame[1 + i] = static_cast<char>(claimed >> (24 - 8 * i));
    chunk.set_frame(frame);
    EXPECT_EQ(Upload({Load(1, {chunk})}).error_code(), grpc::DATA_LOSS) << claimed;
  }
  for (const std::string& frame :
       {std::string(), std::string("\0\0", 2), std::string("\x07\0\0\0\x01x", 6)}) {
    v1::PackedChunk chunk = Pack(plain);
    chunk.set_frame(frame);
    EXPECT_EQ(Upload({Load(1, {chunk})}).error_code(), grpc::DATA_LOSS) << frame.size();
  }
  EXPECT_EQ(Missing(folder_, {Pack(plain).id()}).size(), 1);
}

TEST_F(ServerChunkTest, DataCannotPoseAsAList) {
  v1::PackedChunk posing = Pack("FSL1 or whatever");
  posing.set_kind(v1::CHUNK_KIND_LIST);
  EXPECT_EQ(Upload({Load(1, {posing})}).error_code(), grpc::DATA_LOSS);
}

TEST_F(ServerChunkTest, MalformedUploadsAreRefused) {
  v1::UploadChunksRequest unnamed = Load(1, {Pack("x")});
  unnamed.set_agent_id("short");
  EXPECT_EQ(Upload({unnamed}).error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(Upload({Load(2, {Pack("x")})}).error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(Upload({Load(1, {Pack("x")}), Load(1, {Pack("y")})}).error_code(),
            grpc::INVALID_ARGUMENT);
  v1::UploadChunksRequest nowhere = Load(1, {Pack("x")});
  nowhere.set_folder_id(4711);
  EXPECT_EQ(Upload({nowhere}).error_code(), grpc::NOT_FOUND);
  v1::PackedChunk short_id = Pack("x");
  short_id.set_id("short");
  EXPECT_EQ(Upload({Load(1, {short_id})}).error_code(), grpc::INVALID_ARGUMENT);
  v1::PackedChunk kindless = Pack("x");
  kindless.set_kind(v1::CHUNK_KIND_UNSPECIFIED);
  EXPECT_EQ(Upload({Load(1, {kindless})}).error_code(), grpc::INVALID_ARGUMENT);
  v1::PackedChunk oversized = Pack("x");
  oversized.set_frame(std::string(5 << 20, 'x'));
  EXPECT_EQ(Upload({Load(1, {oversized})}).error_code(), grpc::RESOURCE_EXHAUSTED);
}

TEST_F(ServerChunkTest, MalformedQuestionsAreRefused) {
  Missing(folder_, {"short"}, grpc::INVALID_ARGUMENT);
  Missing(folder_, std::vector<std::string>(10'001, std::string(32, 'i')), grpc::INVALID_ARGUMENT);
  Missing(4711, {std::string(32, 'i')}, grpc::NOT_FOUND);
  EXPECT_EQ(Missing(folder_, std::vector<std::string>(10'000, std::string(32, 'i'))).size(),
            10'000);
  EXPECT_EQ(Download(folder_, {"short"}).error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(Download(4711, {}).error_code(), grpc::NOT_FOUND);
  EXPECT_TRUE(Download(folder_, {}).ok());
}

TEST_F(ServerChunkTest, AnotherFoldersChunkIsMissingAndCannotBeFetched) {
  const v1::PackedChunk secret = Pack("another folder's secret");
  ASSERT_TRUE(Upload({Load(1, {secret})}).ok());
  const uint64_t other = FolderNumber("other");
  EXPECT_EQ(Missing(other, {secret.id()}).size(), 1);
  const grpc::Status status = Download(other, {secret.id()});
  EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);

  RawStream stream(channel_, AgentId('b'));
  ASSERT_TRUE(stream.Hello("other").has_value());
  const auto result =
      stream.Commit(CommitOf(1, {ChangeOf(FileEntry("stolen", {"another folder's secret"}))}));
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->outcomes(0).has_missing_chunks());
}

TEST_F(ServerChunkTest, FileWithAListOfItsOwnIsCommittedOnceItsListIsThere) {
  ContentBuilder builder(64 << 10);
  std::vector<v1::PackedChunk> data;
  for (unsigned i = 0; i < 1500; ++i) {
    const std::string plain = "chunk " + std::to_string(i);
    data.push_back(Pack(plain));
    builder.Add({HashChunk(ChunkKind::kData, plain), static_cast<uint32_t>(plain.size())});
  }
  std::vector<ListPiece> pieces;
  const auto content = builder.Finish(pieces);
  ASSERT_TRUE(content.ok());
  ASSERT_EQ(content->depth, 1);
  v1::Entry entry = FileEntry("big", {});
  v1::Content* proto = entry.mutable_content();
  proto->Clear();
  proto->set_size(content->size);
  proto->set_average_size(content->average_size);
  proto->set_depth(content->depth);
  proto->set_hash(std::string(content->hash.bytes()));
  for (const ChunkRef& ref : content->refs) {
    proto->add_refs()->set_id(std::string(ref.id.bytes()));
    proto->mutable_refs(proto->refs_size() - 1)->set_size(ref.size);
  }
  RawStream stream(channel_, AgentId('a'));
  ASSERT_TRUE(stream.Hello("work").has_value());
  auto result = stream.Commit(CommitOf(1, {ChangeOf(entry)}));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->outcomes(0).missing_chunks().ids_size(), proto->refs_size());

  std::vector<v1::PackedChunk> lists;
  for (const ListPiece& piece : pieces) lists.push_back(Pack(piece.plain, ChunkKind::kList));
  ASSERT_TRUE(Upload({Load(1, lists)}).ok());
  result = stream.Commit(CommitOf(2, {ChangeOf(entry)}));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->outcomes(0).missing_chunks().ids_size(), 1500);

  ASSERT_TRUE(Upload({Load(1, data)}).ok());
  result = stream.Commit(CommitOf(3, {ChangeOf(entry)}));
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->outcomes(0).has_accepted()) << result->ShortDebugString();
}

TEST_F(ServerChunkTest, AcknowledgedChunksSurviveARestart) {
  const v1::PackedChunk chunk = Pack("kept");
  ASSERT_TRUE(Upload({Load(1, {chunk})}).ok());
  harness_.Restart();
  chunks_ = v1::ChunkService::NewStub(harness_.Connect());
  EXPECT_TRUE(Missing(folder_, {chunk.id()}).empty());
}

// What `chunks` are of the file "large".
void SetPart(const std::vector<v1::PackedChunk>& chunks, uint64_t first, v1::UpcomingPart* part) {
  part->set_transfer(5);
  part->set_path("large");
  part->set_size(1000);
  part->set_first(first);
  for (const v1::PackedChunk& chunk : chunks) {
    v1::ChunkRef* ref = part->add_chunks();
    ref->set_id(chunk.id());
    ref->set_size(100);
  }
}

TEST_F(ServerChunkTest, OthersWhoAskedAreToldOfContentUnderWay) {
  RawStream sender(channel_, AgentId('a')), asked(channel_, AgentId('b')),
      silent(channel_, AgentId('c')), elsewhere(channel_, AgentId('d'));
  ASSERT_TRUE(sender.HelloForUpcoming("work").has_value());
  ASSERT_TRUE(asked.HelloForUpcoming("work").has_value());
  ASSERT_TRUE(silent.Hello("work").has_value());
  ASSERT_TRUE(elsewhere.HelloForUpcoming("play").has_value());
  const std::vector<v1::PackedChunk> chunks = {Pack(std::string(100, 'x')),
                                               Pack(std::string(100, 'y'))};
  v1::UploadChunksRequest load = Load(1, chunks);
  SetPart(chunks, 7, load.mutable_part());
  ASSERT_TRUE(Upload({load}).ok());
  const std::optional<v1::SyncResponse> told = asked.Read();
  ASSERT_TRUE(told.has_value());
  ASSERT_TRUE(told->has_upcoming()) << told->ShortDebugString();
  EXPECT_EQ(told->upcoming().agent_id(), AgentId('a'));
  EXPECT_EQ(told->upcoming().part().SerializeAsString(), load.part().SerializeAsString());
  // It can be fetched by then.
  EXPECT_TRUE(Download(folder_, {chunks[0].id(), chunks[1].id()}).ok());
  // Nobody else hears of it: the next that each is told is a commit.
  const v1::Commit commit = CommitOf(1, {ChangeOf(FileEntry("small", {"hello"}))}, {"hello"});
  RawStream other(channel_, AgentId('e'));
  ASSERT_TRUE(other.Hello("work").has_value());
  ASSERT_TRUE(other.Commit(commit).has_value());
  for (RawStream* stream : {&sender, &silent}) {
    const std::optional<v1::SyncResponse> next = stream->Read();
    ASSERT_TRUE(next.has_value());
    EXPECT_TRUE(next->has_changes()) << next->ShortDebugString();
  }
}

TEST_F(ServerChunkTest, PartsThatBreakARuleAreRefused) {
  const std::vector<v1::PackedChunk> chunks = {Pack(std::string(100, 'x'))};
  const auto refused = [&](const std::function<void(v1::UpcomingPart*)>& spoil) {
    v1::UploadChunksRequest load = Load(1, chunks);
    SetPart(chunks, 0, load.mutable_part());
    spoil(load.mutable_part());
    EXPECT_EQ(Upload({load}).error_code(), grpc::INVALID_ARGUMENT) << load.part().DebugString();
  };
  refused([](v1::UpcomingPart* part) { part->set_transfer(0); });
  refused([](v1::UpcomingPart* part) { part->set_path("../outside"); });
  refused([](v1::UpcomingPart* part) { part->set_path(""); });
  refused([](v1::UpcomingPart* part) { part->mutable_chunks(0)->set_id("short"); });
  refused([](v1::UpcomingPart* part) { part->mutable_chunks(0)->set_size(3 << 20); });
  refused([](v1::UpcomingPart* part) {
    for (int i = 0; i < 1000; ++i) *part->add_chunks() = part->chunks(0);
  });
  refused([](v1::UpcomingPart* part) { part->clear_chunks(); });
  refused([](v1::UpcomingPart* part) { part->set_size(UINT64_MAX); });
}

}  // namespace
}  // namespace filesync
