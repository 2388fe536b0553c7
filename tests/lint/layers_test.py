"""The architecture, checked by reading: layers, fences, the top level, and what no file may hold.

Each rule is tried on a planted violation as well, so that a rule that sees nothing is noticed.
"""
import os
import re
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Each folder may include only what stands in an earlier group, and itself.
LAYERS = [
    ["libs/base"],
    ["libs/content", "libs/paths", "libs/telemetry", "libs/kv"],
    ["libs/chunking", "libs/model"],
    ["libs/reconcile", "libs/chunk_store", "libs/metadata", "libs/location"],
    ["libs/fanout", "libs/wire"],
    ["services", "agent"],
    ["tests"],
]
# What of the agent knows gRPC.
GRPC_LINK = ["agent/engine/grpc_link.cc", "agent/engine/grpc_transfers.h",
             "agent/engine/grpc_transfers.cc", "agent/engine/active_calls.h"]
# Headers of a dependency, and the only folders that may see them.
FENCES = {
    r"rocksdb/": ["libs/kv", "libs/chunk_store"],
    r"sqlite3\.h": ["agent/engine/state"],
    r"zstd\.h|sodium\.h|blake3\.h": ["libs/content"],
    r"prometheus/|spdlog/": ["libs/telemetry"],
    r"httplib\.h": ["libs/wire"],
    r"CLI/": ["agent/cli", "services/syncd"],
    r"systemd/": ["services/syncd"],
    r"grpcpp/|grpc/": ["libs/wire", "libs/precompiled", "services", *GRPC_LINK],
    r"filesync/storage/": ["libs/metadata"],
    r"filesync/control/": ["agent/cli"],
    r"filesync/v1/": ["libs/wire", "services", *GRPC_LINK],
}
# Headers that take long to compile, and the headers of ours that may pass them on.
HEAVY = {
    r"grpcpp/|.*\.grpc\.pb\.h": ["libs/wire/chunk_messages.h", "services",
                                "agent/engine/grpc_transfers.h", "agent/engine/active_calls.h"],
    r"google/protobuf/|filesync/.*\.pb\.h": ["libs/wire", "services", "agent/cli",
                                            "agent/engine/grpc_transfers.h"],
    r"fmt/": ["libs/base/status.h", "libs/telemetry/log.h",
              "agent/cli/output.h"],
    r"CLI/|toml\+\+/|httplib\.h|spdlog/|prometheus/|rocksdb/|rapidcheck|"
    r"(iostream|fstream|sstream|regex|filesystem)$": [],
}
TOP_LEVEL = {
    "CMakeLists.txt", "CMakePresets.json", "protos", "services", "agent", "libs", "deploy", "docs",
    "tests", "docker-compose.yml", "README.md", "LICENSE",
}
# Calls that name a file by path. Everything outside libs/base goes by directory handle.
PATH_CALLS = re.compile(
    r"(?<![\w.>:])(?:::)?(open|stat|lstat|access|rename|unlink|remove|mkdir|rmdir|opendir|"
    r"chmod|chown|lchown|truncate|link|symlink|readlink|realpath|utimes|creat|fopen)\s*\("
    r"|std::filesystem|std::[io]?fstream")
RECURSIVE_DELETE = re.compile(r"remove_all|\bnftw\b|\bfts_open\b|rm -rf")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def strip_comments(text):
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)
    return re.sub(r"//[^\n]*", "", text)


def layer_of(path):
    for number, folders in enumerate(LAYERS):
        for folder in folders:
            if path == folder or path.startswith(folder + "/"):
                return number, folder
    return None, None


def check_layers(path, text):
    problems = []
    number, folder = layer_of(path)
    if number is None or path.endswith(("_test.cc", "_benchmark.cc")):
        return problems
    for include in re.findall(r'#include "((?:libs|services|agent|tests)/[^"]+)"', text):
        other, other_folder = layer_of(include)
        if other_folder == folder:
            continue
        if other is None or other >= number:
            problems.append(f"{path}: {folder} may not include {include}")
    return problems


def check_fences(path, text):
    problems = []
    if path.startswith("tests/") or path.endswith(("_test.cc", "_benchmark.cc")):
        return problems
    for header in re.findall(r'#include [<"]([^">]+)[">]', text):
        for fence, allowed in FENCES.items():
            if re.match(fence, header) and not any(path.startswith(a) for a in allowed):
                problems.append(f"{path}: {header} is fenced off ({', '.join(allowed)} only)")
    return problems


def check_heavy(path, text):
    problems = []
    if not path.startswith(("libs/", "services/", "agent/")) or path.startswith("libs/precompiled"):
        return problems
    for header in re.findall(r'#include [<"]([^">]+)[">]', text):
        for heavy, allowed in HEAVY.items():
            if re.match(heavy, header) and not any(path.startswith(a) for a in allowed):
                problems.append(f"{path}: {header} makes all that include this slow to compile")
    return problems


def check_calls(path, text):
    problems = []
    product = path.startswith(("libs/", "agent/", "services/")) and \
        not path.endswith(("_test.cc", "_benchmark.cc"))
    if not product:
        return problems
    for number, line in enumerate(strip_comments(text).splitlines(), 1):
        if not path.startswith("libs/base/") and PATH_CALLS.search(line):
            problems.append(f"{path}:{number}: a file is named by path: {line.strip()}")
        if RECURSIVE_DELETE.search(line):
            problems.append(f"{path}:{number}: recursive delete: {line.strip()}")
    return problems


def check_words(path, text):
    if path == "tests/lint/layers_test.py":
        return []
    return [f"{path}:{number}: unfinished: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1) if UNFINISHED.search(line)]


def check_length(path, text):
    limit = 800 if path.endswith("_test.cc") or path.startswith("tests/") else 500
    lines = text.count("\n")
    return [f"{path}: {lines} lines, more than {limit}: split it"] if lines > limit else []


def tracked_files():
    listing = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, check=True)
    return [name for name in listing.stdout.decode().split("\0")
            if name and os.path.isfile(os.path.join(ROOT, name))]


class LayersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sources = {}
        for name in tracked_files():
            if name.endswith((".h", ".cc", ".py", ".sh", ".proto", ".cmake")) or \
                    name.endswith("CMakeLists.txt"):
                with open(os.path.join(ROOT, name), encoding="utf-8") as file:
                    cls.sources[name] = file.read()

    def run_rule(self, rule, suffixes=(".h", ".cc")):
        problems = []
        for path, text in self.sources.items():
            if path.endswith(suffixes):
                problems += rule(path, text)
        self.assertEqual([], problems, "\n" + "\n".join(problems))

    def test_layers(self):
        self.run_rule(check_layers)
        self.assertTrue(check_layers("libs/model/x.h", '#include "libs/wire/convert.h"'))
        self.assertTrue(check_layers("libs/kv/x.h", '#include "libs/paths/rel_path.h"'))
        self.assertTrue(check_layers("services/sync/x.cc", '#include "agent/engine/moves.h"'))
        self.assertFalse(check_layers("libs/wire/x.h", '#include "libs/model/entry.h"'))

    def test_fences(self):
        self.run_rule(check_fences)
        self.assertTrue(check_fences("libs/metadata/x.cc", "#include <rocksdb/db.h>"))
        self.assertTrue(check_fences("agent/engine/x.cc", '#include "filesync/v1/sync.pb.h"'))

    def test_headers_are_light(self):
        self.run_rule(check_heavy, (".h",))
        self.assertTrue(check_heavy("libs/model/x.h", "#include <grpcpp/grpcpp.h>"))
        self.assertTrue(check_heavy("agent/cli/x.h", "#include <CLI/CLI.hpp>"))
        self.assertTrue(check_heavy("libs/base/x.h", "#include <regex>"))

    def test_what_is_called_single_threaded_is(self):
        """The thread sanitizer leaves it out."""
        threads = re.compile(r"std::j?thread\b|\bMutex\b|std::\w*mutex|ThreadPool|pthread_create|async\(")
        folders = [os.path.dirname(name) for name, text in self.sources.items()
                   if name.endswith("CMakeLists.txt") and os.path.dirname(name) and
                   re.search(r"^filesync_library\(\w+ (GRPC )?SINGLE_THREADED", text, re.MULTILINE)]
        self.assertTrue(folders)
        found = [name for name, text in self.sources.items()
                 if os.path.dirname(name) in folders and name.endswith((".h", ".cc")) and
                 threads.search(strip_comments(text))]
        self.assertEqual([], found)

    def test_the_version_is_stated_once(self):
        top = self.sources["CMakeLists.txt"]
        version = re.search(r"^project\(filesync VERSION (\S+)", top, re.MULTILINE)[1]
        stated = re.compile(rf"(?<![\d.]){re.escape(version)}(?![\d.])")
        places = []
        for name in tracked_files():
            with open(os.path.join(ROOT, name), encoding="utf-8", errors="replace") as file:
                places += [name] * len(stated.findall(file.read()))
        self.assertEqual(["CMakeLists.txt"], places)

    def test_no_file_is_named_by_path_outside_base(self):
        self.run_rule(check_calls)
        self.assertTrue(check_calls("agent/cli/x.cc", "  int fd = open(path, 0);"))
        self.assertTrue(check_calls("libs/kv/x.cc", "  ::rename(a, b);"))
        self.assertTrue(check_calls("libs/kv/x.cc", "  std::filesystem::remove_all(x);"))
        self.assertFalse(check_calls("libs/base/x.cc", "  int fd = open(path, 0);"))
        self.assertFalse(check_calls("agent/cli/x.cc", "  stream->open(x); // open(path)"))

    def test_nothing_is_left_unfinished(self):
        self.run_rule(check_words, (".h", ".cc", ".py", ".sh", ".proto"))
        self.assertTrue(check_words("libs/x.cc", "// TODO: later"))

    def test_files_are_short(self):
        self.run_rule(check_length, (".h", ".cc", ".py", ".sh"))
        self.assertTrue(check_length("libs/x.cc", "\n" * 501))

    def test_top_level_names(self):
        top = {name.split("/")[0] for name in tracked_files()}
        extra = {name for name in top if name not in TOP_LEVEL and not name.startswith(".")}
        self.assertEqual(set(), extra)


if __name__ == "__main__":
    unittest.main()
