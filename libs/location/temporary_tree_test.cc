#include "libs/location/temporary_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/base/unique_fd.h"

namespace filesync {
namespace {

// An argument that the call does not have, by which a filter knows it.
constexpr long kUnnoticed = 0x5eed;

long UnnoticedRename(long from, const char* from_name, long to, const char* to_name, long flags) {
  return syscall(SYS_renameat2, from, from_name, to, to_name, flags, kUnnoticed);
}

std::function<void(int)> before_rename;
int renames = 0;

// Runs instead of a rename, in the thread that wanted it, and does it after the hook.
void OnRename(int, siginfo_t* info, void* context) {
#if defined(__x86_64__)
  greg_t* const registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  auto& result = registers[REG_RAX];
  const auto arguments = {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                          registers[REG_R10], registers[REG_R8]};
#elif defined(__aarch64__)
  auto* const registers = static_cast<ucontext_t*>(context)->uc_mcontext.regs;
  auto& result = registers[0];
  const auto arguments = {registers[0], registers[1], registers[2], registers[3], registers[4]};
#endif
  before_rename(++renames);
  const auto* argument = arguments.begin();
  const long flags = info->si_syscall == SYS_renameat2 ? static_cast<long>(argument[4]) : 0;
  const long done = UnnoticedRename(
      static_cast<int>(argument[0]), reinterpret_cast<const char*>(argument[1]),
      static_cast<int>(argument[2]), reinterpret_cast<const char*>(argument[3]), flags);
  result = done == 0 ? 0 : -errno;
}

}  // namespace

TemporaryTree::TemporaryTree(const std::string& base) {
  std::string pattern = base + "/filesync_location_XXXXXX";
  EXPECT_NE(mkdtemp(pattern.data()), nullptr) << pattern;
  path_ = pattern;
}

TemporaryTree::~TemporaryTree() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TemporaryTree::Write(std::string_view relative, std::string_view bytes) const {
  const UniqueFd fd(open(At(relative).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  ASSERT_TRUE(fd.ok()) << At(relative);
  ASSERT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
}

void TemporaryTree::Save(std::string_view relative, std::string_view bytes) const {
  const std::string temporary = std::string(relative) + ".save-" + HexEncode(RandomBytes(6));
  Write(temporary, bytes);
  Rename(temporary, relative);
}

std::string TemporaryTree::Read(std::string_view relative) const {
  std::ifstream file(At(relative), std::ios::binary);
  EXPECT_TRUE(file.good()) << At(relative);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

void TemporaryTree::Mkdir(std::string_view relative, unsigned mode) const {
  ASSERT_EQ(mkdir(At(relative).c_str(), mode), 0) << At(relative);
}

void TemporaryTree::Symlink(const std::string& target, std::string_view relative) const {
  ASSERT_EQ(symlink(target.c_str(), At(relative).c_str()), 0) << At(relative);
}

void TemporaryTree::Rename(std::string_view from, std::string_view to) const {
  ASSERT_EQ(UnnoticedRename(AT_FDCWD, At(from).c_str(), AT_FDCWD, At(to).c_str(), 0), 0)
      << At(from);
}

void TemporaryTree::Exchange(std::string_view a, std::string_view b) const {
  ASSERT_EQ(UnnoticedRename(AT_FDCWD, At(a).c_str(), AT_FDCWD, At(b).c_str(), RENAME_EXCHANGE), 0);
}

void TemporaryTree::Delete(std::string_view relative) const {
  ASSERT_EQ(remove(At(relative).c_str()), 0) << At(relative);
}

void TemporaryTree::Chmod(std::string_view relative, unsigned mode) const {
  ASSERT_EQ(chmod(At(relative).c_str(), mode), 0) << At(relative);
}

unsigned TemporaryTree::ModeOf(std::string_view relative) const {
  struct stat info {};
  EXPECT_EQ(lstat(At(relative).c_str(), &info), 0) << At(relative);
  return info.st_mode & 07777;
}

bool TemporaryTree::Exists(std::string_view relative) const {
  struct stat info {};
  return lstat(At(relative).c_str(), &info) == 0;
}

std::vector<std::string> TemporaryTree::Names(std::string_view relative) const {
  std::vector<std::string> names;
  for (const auto& item : std::filesystem::directory_iterator(At(relative))) {
    names.push_back(item.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> TemporaryTree::Contents(std::string_view relative) const {
  std::vector<std::string> contents;
  for (const std::string& name : Names(relative)) {
    contents.push_back(Read(std::string(relative) + "/" + name));
  }
  std::sort(contents.begin(), contents.end());
  return contents;
}

std::vector<std::string> TestBases() {
  const char* directory = std::getenv("TEST_TMPDIR");
  std::vector<std::string> bases = {directory != nullptr ? directory : "/tmp"};
  if (access("/dev/shm", W_OK) == 0) bases.push_back("/dev/shm");
  return bases;
}

RelPath P(std::string_view path) { return RelPath::Parse(path).value(); }

bool PassesInChild(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    body();
    std::fflush(nullptr);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void BecomeNobody() {
  constexpr unsigned kNobody = 65534;
  if (geteuid() != 0) return;
  ASSERT_EQ(setresgid(kNobody, kNobody, kNobody), 0);
  ASSERT_EQ(setresuid(kNobody, kNobody, kNobody), 0);
  // Changing the user closes /proc/self to it.
  prctl(PR_SET_DUMPABLE, 1);
}

void ForbidRenameFlags() {
  const size_t flags = offsetof(seccomp_data, args) + 4 * sizeof(uint64_t);
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(flags)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter = {std::size(program), program};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

void BeforeEachRename(std::function<void(int)> hook) {
  before_rename = std::move(hook);
  struct sigaction action {};
  action.sa_sigaction = OnRename;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  ASSERT_EQ(sigaction(SIGSYS, &action, nullptr), 0);
  const auto last = static_cast<uint32_t>(offsetof(seccomp_data, args) + 5 * sizeof(uint64_t));
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, last),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kUnnoticed, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter = {std::size(program), program};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

bool MountTinyTmpfs(const std::string& path, size_t bytes) {
  return unshare(CLONE_NEWNS) == 0 &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("none", path.c_str(), "tmpfs", 0, fmt::format("size={},mode=755", bytes).c_str()) ==
             0;
}

bool LimitWatches(int count) {
  if (unshare(CLONE_NEWUSER) != 0) return false;
  std::ofstream limit("/proc/sys/user/max_inotify_watches");
  limit << count << std::flush;
  return limit.good();
}

std::unique_ptr<LocalDirectory> OpenTree(const TemporaryTree& tree, const Clock* clock) {
  absl::StatusOr<std::unique_ptr<LocalDirectory>> opened = LocalDirectory::Open(tree.path(), clock);
  EXPECT_TRUE(opened.ok()) << Describe(opened.status());
  return opened.ok() ? *std::move(opened) : nullptr;
}

std::unique_ptr<StagedFile> StageBytes(Location& location, std::string_view bytes, uint32_t mode,
                                       int64_t mtime_ns) {
  absl::StatusOr<std::unique_ptr<StagedFile>> staged = location.Stage(P("staged"), bytes.size());
  EXPECT_TRUE(staged.ok()) << Describe(staged.status());
  if (!staged.ok()) return nullptr;
  EXPECT_TRUE((*staged)->Append(bytes).ok());
  EXPECT_TRUE((*staged)->SetMetadata(mode, mtime_ns).ok());
  return *std::move(staged);
}

absl::StatusOr<ApplyResult> InstallBytes(Location& location, std::string_view path,
                                         std::string_view bytes,
                                         const std::optional<Fingerprint>& expected) {
  const std::unique_ptr<StagedFile> staged = StageBytes(location, bytes);
  return location.InstallFile(*staged, P(path), expected);
}

LocalEntry Present(Location& location, std::string_view path) {
  const Look look = location.LookAt(P(path));
  EXPECT_EQ(look.presence, Look::Presence::kPresent) << path << ": " << Describe(look.why);
  return look.entry;
}

Look::Presence PresenceOf(Location& location, std::string_view path) {
  return location.LookAt(P(path)).presence;
}

}  // namespace filesync
