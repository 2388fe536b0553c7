// The parts of the Sync service that need no stream.
#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "services/sync/change_feed.h"
#include "services/sync/commit_assembler.h"
#include "services/sync/peer_address.h"
#include "services/sync/resume.h"
#include "services/sync/sessions.h"

namespace filesync {
namespace {

const Incarnation kFirst{std::string(16, '1'), 1};
const Incarnation kSecond{std::string(16, '2'), 101};
const std::vector<Incarnation> kRows = {kFirst, kSecond};

TEST(ResumeTest, NewAgentStartsAtZero) {
  const ResumePoint point = FindResumePoint({}, kRows, 150);
  EXPECT_TRUE(point.known);
  EXPECT_EQ(point.after, 0);
}

TEST(ResumeTest, CursorWithinWhatItsRowKeptGoesOnThere) {
  for (const Cursor& cursor : {Cursor{kFirst.id, 0}, Cursor{kFirst.id, 100},
                               Cursor{kSecond.id, 101}, Cursor{kSecond.id, 150}}) {
    const ResumePoint point = FindResumePoint(cursor, kRows, 150);
    EXPECT_TRUE(point.known) << cursor.version;
    EXPECT_EQ(point.after, cursor.version);
  }
}

TEST(ResumeTest, CursorBeyondWhatItsRowKeptStartsOver) {
  // The number alone is below the head: only the row tells that it was given out twice.
  ResumePoint point = FindResumePoint({kFirst.id, 120}, kRows, 150);
  EXPECT_FALSE(point.known);
  EXPECT_EQ(point.after, 0);
  EXPECT_EQ(point.last_kept, 100);
  point = FindResumePoint({kSecond.id, 151}, kRows, 150);
  EXPECT_FALSE(point.known);
  EXPECT_EQ(point.last_kept, 150);
  // A folder that lost everything keeps nothing under any row.
  EXPECT_FALSE(FindResumePoint({kFirst.id, 50}, kRows, 20).known);
}

TEST(ResumeTest, UnknownIncarnationStartsOver) {
  const ResumePoint point = FindResumePoint({std::string(16, 'x'), 1}, kRows, 150);
  EXPECT_FALSE(point.known);
  EXPECT_EQ(point.after, 0);
}

TEST(VersionSetTest, HoldsRangesAndForgetsThem) {
  VersionSet set;
  for (const uint64_t version : {5, 6, 7, 20, 21, 6, 40}) set.Add(version);
  for (const uint64_t version : {5, 6, 7, 20, 21, 40}) EXPECT_TRUE(set.Contains(version));
  for (const uint64_t version : {4, 8, 19, 22, 39, 41}) EXPECT_FALSE(set.Contains(version));
  set.ForgetThrough(20);
  EXPECT_FALSE(set.Contains(6));
  EXPECT_TRUE(set.Contains(21));
}

v1::Commit Message(uint64_t batch, int changes, bool more) {
  v1::Commit message;
  message.set_batch(batch);
  message.set_more(more);
  for (int i = 0; i < changes; ++i) {
    v1::Entry* entry = message.add_changes()->mutable_entry();
    entry->set_path("d" + std::to_string(i));
    entry->set_type(v1::ENTRY_TYPE_DIRECTORY);
  }
  return message;
}

TEST(CommitAssemblerTest, BatchesAreTakenOneAfterAnother) {
  CommitAssembler assembler;
  ASSERT_TRUE(assembler.Add(Message(3, 1000, true)).ok());
  EXPECT_FALSE(assembler.complete());
  ASSERT_TRUE(assembler.Add(Message(3, 10, false)).ok());
  ASSERT_TRUE(assembler.complete());
  CommitBatch batch = assembler.Take();
  EXPECT_EQ(batch.number, 3);
  EXPECT_EQ(batch.changes.size(), 1010);
  ASSERT_TRUE(assembler.Add(Message(4, 0, false)).ok());
  batch = assembler.Take();
  EXPECT_EQ(batch.number, 4);
  EXPECT_TRUE(batch.changes.empty());
}

TEST(CommitAssemblerTest, BatchOfTooManyChangesIsRefused) {
  CommitAssembler assembler;
  absl::Status status;
  int messages = 0;
  while (status.ok() && messages < 300) {
    status = assembler.Add(Message(1, 1000, true)).status();
    ++messages;
  }
  EXPECT_EQ(messages, 201);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
}

TEST(CommitAssemblerTest, BatchOfTooManyBytesIsRefused) {
  CommitAssembler assembler;
  absl::Status status;
  int messages = 0;
  while (status.ok() && messages < 300) {
    v1::Commit message = Message(1, 1000, true);
    for (v1::Change& change : *message.mutable_changes()) {
      change.mutable_entry()->set_type(v1::ENTRY_TYPE_SYMLINK);
      change.mutable_entry()->set_symlink_target(std::string(3000, 't'));
    }
    status = assembler.Add(std::move(message)).status();
    ++messages;
  }
  EXPECT_LT(messages, 25);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
}

class FakeControl final : public SessionControl {
 public:
  void End(const absl::Status& status) override { ended = status; }
  void GoAway(absl::Duration) override { ++asked_to_go; }
  void TellRules(const std::string&) override {}
  void TellUpcoming(std::shared_ptr<const v1::UpcomingContent>) override {}
  absl::Status ended;
  int asked_to_go = 0;
};

SessionInfo Info(FolderId folder, char agent) {
  SessionInfo info;
  info.folder = folder;
  info.agent_id = std::string(16, agent);
  info.agent_name = std::string(1, agent);
  return info;
}

TEST(SessionsTest, NewestOfAnAgentInAFolderReplacesTheOneBefore) {
  Sessions sessions;
  const auto old = std::make_shared<FakeControl>();
  const auto newer = std::make_shared<FakeControl>();
  const auto other = std::make_shared<FakeControl>();
  const uint64_t old_key = sessions.Open(Info(1, 'a'), old);
  sessions.Open(Info(2, 'a'), other);
  EXPECT_TRUE(old->ended.ok());
  sessions.Open(Info(1, 'a'), newer);
  EXPECT_TRUE(absl::IsAborted(old->ended));
  EXPECT_TRUE(other->ended.ok());
  EXPECT_EQ(sessions.Count(), 2);
  // The old one's end does not take the new one with it.
  sessions.Close(old_key);
  EXPECT_EQ(sessions.List(1).size(), 1);
  sessions.ForEachControl([](SessionControl& control) { control.GoAway(absl::Seconds(1)); });
  EXPECT_EQ(newer->asked_to_go, 1);
  EXPECT_EQ(old->asked_to_go, 0);
}

TEST(SessionsTest, ObserversHearOfTheirFolderUntilTheyLeave) {
  Sessions sessions;
  std::vector<std::string> heard;
  const uint64_t observer =
      sessions.AddObserver(1, [&](const SessionInfo& session, bool connected) {
        heard.push_back((connected ? "+" : "-") + session.agent_name);
      });
  const auto control = std::make_shared<FakeControl>();
  const uint64_t key = sessions.Open(Info(1, 'a'), control);
  sessions.Open(Info(2, 'b'), control);
  sessions.Close(key);
  sessions.RemoveObserver(observer);
  sessions.Open(Info(1, 'c'), control);
  EXPECT_EQ(heard, (std::vector<std::string>{"+a", "-a"}));
}

TEST(SessionsTest, AppliedCursorsAreListed) {
  Sessions sessions;
  const auto control = std::make_shared<FakeControl>();
  const uint64_t key = sessions.Open(Info(1, 'a'), control);
  sessions.SetApplied(key, {std::string(16, 'i'), 7}, absl::UnixEpoch());
  ASSERT_EQ(sessions.List(0).size(), 1);
  EXPECT_EQ(sessions.List(0)[0].applied.version, 7);
  sessions.Close(key);
  EXPECT_TRUE(sessions.List(0).empty());
}

TEST(PeerAddressTest, ReadsAsPeopleWriteIt) {
  EXPECT_EQ(ReadablePeerAddress("ipv4:10.0.0.1:40000"), "10.0.0.1:40000");
  EXPECT_EQ(ReadablePeerAddress("ipv6:%5B::1%5D:40000"), "[::1]:40000");
}

}  // namespace
}  // namespace filesync
