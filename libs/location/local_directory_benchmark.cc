// What it costs to put small files in place, beside the bare system calls that a copy needs.
// The directory is TEST_TMPDIR, or /tmp.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "libs/base/clock.h"
#include "libs/base/unique_fd.h"
#include "libs/location/local_directory.h"

namespace filesync {
namespace {

constexpr int kFilesPerDirectory = 500;
const std::string kContent(4096, 'x');

class Tree {
 public:
  Tree() {
    const char* base = std::getenv("TEST_TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/filesync_benchmark_XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) std::abort();
    location_ = LocalDirectory::Open(path_, &clock_).value();
  }
  ~Tree() {
    location_.reset();
    std::filesystem::remove_all(path_);
  }
  LocalDirectory& location() { return *location_; }
  const std::string& path() const { return path_; }
  // The path of the file of this number, whose directory is there.
  RelPath NewPath(int number) {
    const std::string directory = "directory" + std::to_string(number / kFilesPerDirectory);
    if (number % kFilesPerDirectory == 0) {
      location_->MakeDirectory(RelPath::Parse(directory).value(), 0755).value();
    }
    return RelPath::Parse(directory + "/file" + std::to_string(number)).value();
  }
  ApplyResult Install(const RelPath& path, const std::optional<Fingerprint>& expected) {
    const auto staged = location_->Stage(P("staged"), kContent.size()).value();
    if (!staged->Append(kContent).ok() || !staged->SetMetadata(0644, 1).ok()) std::abort();
    return location_->InstallFile(*staged, path, expected).value();
  }

 private:
  RealClock clock_;
  std::string path_;
  std::unique_ptr<LocalDirectory> location_;
};

void BM_CopyBare(benchmark::State& state) {
  Tree tree;
  int number = 0;
  for (auto _ : state) {
    const std::string path = tree.path() + "/" + tree.NewPath(number++).bytes();
    const UniqueFd fd(open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600));
    if (write(fd.get(), kContent.data(), kContent.size()) < 0) std::abort();
    const timespec times[2] = {{0, UTIME_OMIT}, {1, 0}};
    if (fchmod(fd.get(), 0644) != 0 || futimens(fd.get(), times) != 0) std::abort();
  }
}
BENCHMARK(BM_CopyBare)->Iterations(30000);

void BM_InstallNew(benchmark::State& state) {
  Tree tree;
  int number = 0;
  for (auto _ : state) tree.Install(tree.NewPath(number++), std::nullopt);
}
BENCHMARK(BM_InstallNew)->Iterations(30000);

void BM_Replace(benchmark::State& state) {
  Tree tree;
  const RelPath path = tree.NewPath(0);
  Fingerprint now = tree.Install(path, std::nullopt).fingerprint;
  for (auto _ : state) now = tree.Install(path, now).fingerprint;
}
BENCHMARK(BM_Replace)->Iterations(10000);

void BM_LookAt(benchmark::State& state) {
  Tree tree;
  const RelPath path = tree.NewPath(0);
  tree.Install(path, std::nullopt);
  for (auto _ : state) benchmark::DoNotOptimize(tree.location().LookAt(path));
}
BENCHMARK(BM_LookAt);

void BM_ListPerDirectoryOf500(benchmark::State& state) {
  Tree tree;
  for (int i = 0; i < kFilesPerDirectory; ++i) tree.Install(tree.NewPath(i), std::nullopt);
  const RelPath directory = tree.NewPath(0).Parent();
  for (auto _ : state) benchmark::DoNotOptimize(tree.location().List(directory));
}
BENCHMARK(BM_ListPerDirectoryOf500);

}  // namespace
}  // namespace filesync
