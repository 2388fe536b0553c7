"""A location that folds case: names that collide there are kept apart, said, and lost nowhere."""
import os
import shutil
import subprocess
import sys
import unittest

import outcomes
from harness import wait_until
from outcomes import contents

FOLDING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "folding_fs.py")


@unittest.skipUnless(os.geteuid() == 0 and os.path.exists("/dev/fuse"), "needs FUSE, and root")
class FoldingTest(outcomes.OutcomesTestCase):
    def setUp(self):
        super().setUp()
        self.below = os.path.join(self.base, "below")
        self.at = os.path.join(self.base, "F")
        os.mkdir(self.below)
        os.mkdir(self.at)
        self.mounted = subprocess.Popen([sys.executable, FOLDING, self.below, self.at])
        self.addCleanup(self.unmount)
        wait_until(lambda: os.path.ismount(self.at) or self.mounted.poll() is not None, "a mount")
        if not os.path.ismount(self.at):
            self.skipTest("nothing can be mounted here")

    def unmount(self):
        # What uses it ends first.
        for agent in self.agents:
            if agent.process is not None and agent.process.running():
                agent.kill()
        subprocess.run(["umount", "-l", self.at], check=False)
        self.mounted.kill()
        self.mounted.wait()

    def pair(self, start=True):
        server = self.server()
        return (self.agent("A", server, start=start),
                self.agent("F", server, directory=self.at, start=start))

    def failed(self, agent):
        return {failure["path"]: failure["reason"]
                for failure in agent.status().get("failedPaths", [])}

    def test_it_folds(self):
        with open(os.path.join(self.at, "Name"), "w", encoding="utf-8") as file:
            file.write("x")
        self.assertTrue(os.path.exists(os.path.join(self.at, "nAME")))

    def test_all_else_goes_both_ways(self):
        a, f = self.pair()
        a.write("Dir/File.txt", "1")
        self.arrives(f, "Dir/File.txt", "1")
        f.write("Dir/Other", "2")
        self.arrives(a, "Dir/Other", "2")
        a.write("Dir/File.txt", "edited")
        self.arrives(f, "Dir/File.txt", "edited")
        os.rename(a.path("Dir/Other"), a.path("Moved"))
        self.converge(a, f)
        os.unlink(f.path("Moved"))
        self.converge(a, f)
        shutil.rmtree(a.path("Dir"))
        a.write("last", "")
        self.converge(a, f)

    def test_names_that_collide(self):
        a, f = self.pair()
        files = {"Readme": b"the first", "Dir/x": b"in Dir", "plain": b"plain"}
        for path, data in files.items():
            a.write(path, data)
        self.converge(a, f)
        others = {"README": b"the second", "readme": b"the third", "dir/x": b"in dir",
                  "dir/y": b"also in dir"}
        for path, data in others.items():
            a.write(path, data)
        wait_until(lambda: {"README", "readme", "dir"} <= set(self.failed(f)), "it is said")
        self.assertIn("Readme stands in its way", self.failed(f)["README"])
        # What stands there stays, and what does not fit there stays elsewhere.
        f.write("plain", "edited there")
        self.arrives(a, "plain", "edited there")
        everything = {**files, **others, "plain": b"edited there", "Dir": "directory",
                      "dir": "directory"}
        self.assertEqual(everything, contents(a))
        here = {**files, "plain": b"edited there", "Dir": "directory"}
        self.assertEqual(here, contents(f))
        # Nor does one go with the other.
        a.write("README", "edited")
        os.unlink(a.path("readme"))
        shutil.rmtree(a.path("dir"))
        wait_until(lambda: set(self.failed(f)) == {"README"}, "what is gone is not said any more")
        self.assertEqual(here, contents(f))
        self.assertEqual(b"edited", a.read("README"))
        # Over a restart as well.
        f.stop()
        f.start()
        wait_until(lambda: set(self.failed(f)) == {"README"}, "it is said again")
        self.assertEqual(here, contents(f))
        # When there is room, it comes.
        os.unlink(a.path("Readme"))
        self.converge(a, f)
        self.assertEqual(b"edited", f.read("README"))
        self.assertEqual(["README"], [name for name in os.listdir(f.dir) if name.lower() == "readme"])

    def test_a_name_in_another_case(self):
        a, f = self.pair()
        a.write("dir/name", "1")
        self.converge(a, f)
        os.rename(f.path("dir/name"), f.path("dir/Name"))
        self.converge(a, f)
        self.assertEqual(["Name"], os.listdir(a.path("dir")))
        os.rename(a.path("dir/Name"), a.path("dir/NAME"))
        self.converge(a, f)
        self.assertEqual(["NAME"], os.listdir(f.path("dir")))

    def test_one_shot(self):
        a, f = self.pair(start=False)
        for path in ("one", "ONE", "two"):
            a.write(path, path)
        self.synced(a)
        self.assertEqual(1, self.sync(f).returncode)
        self.assertEqual({"one", "two"}, {path.lower() for path in contents(f)})
        self.assertEqual(1, self.sync(f).returncode)
        self.synced(a)
        self.assertEqual({"one": b"one", "ONE": b"ONE", "two": b"two"}, contents(a))


if __name__ == "__main__":
    unittest.main()
