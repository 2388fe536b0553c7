// TokenQueue: who gets the next bytes of a token bucket. The bookkeeping under RateLimiter,
// without its threads. Thread-compatible.
//
// Bytes come into a bucket at the rate; it holds what comes in within kBurst, and what more
// comes is lost. They go to the requests in order, interactive ones before bulk ones and among
// those the more important folder's first, and a request takes them as they come. So a large one
// needs no room in the bucket, nothing is ever owed, and an interactive one that comes while a
// large one is served waits for its own bytes only. In any span of time, at most that span's worth
// and kBurst's pass.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "absl/time/time.h"
#include "agent/traffic/byte_rate.h"

namespace filesync {

enum class TransferPriority {
  kInteractive,  // someone waits for it: messages, small files. As long as there is any, no bulk
  kBulk,
};

// Whose transfer it is: of several folders, the more important one's goes first.
enum class FolderPriority : uint8_t { kHigh, kNormal, kLow };

class TokenQueue {
 public:
  static constexpr absl::Duration kBurst = absl::Milliseconds(250);

  // Belongs to who asks, and stays where it is until nothing of it is missing.
  struct Request {
    uint64_t missing = 0;
  };

  // The bucket is empty at first. A rate of 0 is no limit, like nullopt.
  TokenQueue(ByteRate rate, absl::Time now);

  // What came in until `now` came at the rate before.
  void SetRate(ByteRate rate, absl::Time now);
  ByteRate rate() const { return rate_; }
  // What came in until `now` goes to those before it. Without a limit it is granted at once.
  void Add(Request* request, TransferPriority priority, absl::Time now,
           FolderPriority folder = FolderPriority::kNormal);
  // Hands out what came in. A clock that is put back brings nothing, one that is put forward
  // no more than a burst.
  void Advance(absl::Time now);
  // Grants everything that waits.
  void GrantAll();

  // Who gets the next byte; nullptr when nobody waits.
  const Request* front() const;
  // How long until it has all its bytes, if nobody comes before it. Only with a front.
  absl::Duration UntilFrontIsServed() const;
  size_t size() const;

 private:
  using Queue = std::deque<Request*>;
  void Serve();
  void ServeQueue(Queue& queue);
  double Capacity() const;

  ByteRate rate_;  // never 0
  absl::Time last_;
  double tokens_ = 0;  // bytes; a fraction counts towards the next
  // The first is served first: all interactive ones by folder, then all bulk ones.
  std::array<Queue, 6> queues_;
};

}  // namespace filesync
