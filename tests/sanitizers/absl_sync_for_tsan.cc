// Tells ThreadSanitizer what absl::Mutex orders. Distributions build Abseil without
// instrumentation, so its locks are invisible to the sanitizer and everything they guard looks
// like a race. These definitions come before the library's, annotate, and call the library's.
//
// Linked into test programs of the tsan preset only. Not itself instrumented.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {

#define FILESYNC_TEXT_OF(name) #name
#define FILESYNC_TEXT(name) FILESYNC_TEXT_OF(name)
constexpr char kNamespace[] = FILESYNC_TEXT(ABSL_OPTION_INLINE_NAMESPACE_NAME);

// A member function of the library's Mutex, by the rest of its mangled name: what comes before
// is the namespace that the distribution chose for its Abseil.
template <typename... Arguments>
auto Library(const char* rest) {
  const std::string symbol =
      "_ZN4absl" + std::to_string(sizeof(kNamespace) - 1) + kNamespace + rest;
  void* found = dlsym(RTLD_NEXT, symbol.c_str());
  if (found == nullptr) {
    std::fprintf(stderr, "this Abseil has no %s\n", symbol.c_str());
    std::abort();
  }
  return reinterpret_cast<bool (*)(absl::Mutex*, Arguments...)>(found);
}

// While the library holds the lock it evaluates conditions, of other threads too.
class LibraryReads {
 public:
  LibraryReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~LibraryReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

template <typename Function, typename... Arguments>
bool Call(Function* library, absl::Mutex* mutex, Arguments... arguments) {
  const LibraryReads reads;
  return library(mutex, arguments...);
}

}  // namespace

// In what follows a result that the library's function does not have is never looked at.
namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static const auto kLibrary = Library("5Mutex4LockEv");
  Call(kLibrary, this);
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  static const auto kLibrary = Library("5Mutex6UnlockEv");
  __tsan_release(this);
  Call(kLibrary, this);
}

bool Mutex::TryLock() {
  static const auto kLibrary = Library("5Mutex7TryLockEv");
  const bool locked = Call(kLibrary, this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::Await(const Condition& condition) {
  static const auto kLibrary = Library<const Condition*>("5Mutex5AwaitERKNS0_9ConditionE");
  __tsan_release(this);
  Call(kLibrary, this, &condition);
  __tsan_acquire(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  return AwaitWithDeadline(condition, Now() + timeout);
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static const auto kLibrary =
      Library<const Condition*, Time>("5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  __tsan_release(this);
  const bool met = Call(kLibrary, this, &condition, deadline);
  __tsan_acquire(this);
  return met;
}

ABSL_NAMESPACE_END
}  // namespace absl
