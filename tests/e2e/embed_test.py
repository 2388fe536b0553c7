"""The engine as a library: installed, found by another project, linked into its program, run."""
import os
import shutil
import subprocess
import unittest

import harness
from harness import BIN, ROOT

BUILD = os.path.dirname(BIN)
EXAMPLE = os.path.join(ROOT, "agent", "examples", "embed")


@unittest.skipUnless(os.path.exists(os.path.join(BUILD, "cmake_install.cmake")),
                     "the programs were not built here")
class EmbedTest(harness.SyncTestCase):
    def run_or_fail(self, *arguments):
        result = subprocess.run(arguments, capture_output=True, text=True, check=False,
                                timeout=900)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        return result.stdout

    def test_another_project_finds_links_and_runs_the_engine(self):
        prefix = os.path.join(self.base, "prefix")
        self.run_or_fail("cmake", "--install", BUILD, "--prefix", prefix, "--component",
                         "development")
        self.nothing_points_back(prefix)
        # A copy, so that nothing of the source tree can be found by being near.
        source = os.path.join(self.base, "embed")
        shutil.copytree(EXAMPLE, source)
        build = os.path.join(self.base, "embed-build")
        self.run_or_fail("cmake", "-S", source, "-B", build, "-G", "Ninja",
                         f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release")
        self.run_or_fail("cmake", "--build", build)

        server = self.server()
        a = self.agent("A", server, folder="shared")
        a.write("from/agent", "1")
        harness.wait_until(a.in_sync, "in sync")
        directory = os.path.join(self.base, "embedded")
        os.mkdir(directory)
        with open(os.path.join(directory, "from-embed"), "wb") as file:
            file.write(os.urandom(300_000))
        output = self.run_or_fail(os.path.join(build, "embed"), server.address, directory,
                                  "shared")
        self.assertIn("synced from-embed\n", output)
        self.assertIn("2 of 2 files, 300001 of 300001 bytes\n", output)
        self.assertIn(": in sync\n", output)
        harness.wait_until(lambda: not harness.differences(a.dir, directory), "arrives")
        # Its errors are its own.
        result = subprocess.run([os.path.join(build, "embed"), server.address, "/no/such"],
                                capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(1, result.returncode)
        self.assertIn("does not exist", result.stderr)

    def nothing_points_back(self, prefix):
        """The package is whole without the tree it was built in, and free of what is internal."""
        for directory, _, names in os.walk(prefix):
            for name in names:
                if not name.endswith((".h", ".cmake")):
                    continue
                with open(os.path.join(directory, name), encoding="utf-8") as file:
                    text = file.read()
                self.assertNotIn(ROOT + "/", text, name)
                for internal in ("grpcpp/", ".pb.h", "sqlite3.h", "rocksdb/"):
                    self.assertNotIn(internal, text, name)


if __name__ == "__main__":
    unittest.main()
