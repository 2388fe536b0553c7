"""Another file system mounted in a synced directory is kept in step like the rest: what comes is made
and installed on it, what goes is kept in a trash on it, and it can be unmounted at any time."""
import os
import subprocess
import sys
import time
import unittest

import disks
import outcomes
from harness import wait_until
from outcomes import contents

SIZE = 64 << 20


@unittest.skipIf(disks.why_not(), disks.why_not())
class NestedMountsTest(outcomes.OutcomesTestCase):
    def mount(self, where, kind="tmpfs"):
        if kind == "tmpfs":
            disks.mount(self, ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "none"], where)
            return
        image = os.path.join(self.base, "image")
        if not os.path.exists(image):
            with open(image, "wb") as file:
                file.truncate(SIZE)
            disks.run("mkfs.ext4", "-q", image)
        disks.mount(self, ["mount", "-o", "loop", image], where)

    def pair_with(self, kind):
        self.server_ = self.server()
        self.a, self.b = self.agent("A", self.server_, start=False), self.agent("B", self.server_)
        self.inner = self.a.path("mnt")
        self.mount(self.inner, kind)
        self.a.write("mnt/of the mount", b"1")
        self.a.start()
        self.converge(self.a, self.b)

    def trashed(self, directory):
        """What is in a trash, by content."""
        where = os.path.join(directory, ".syncagent", "trash")
        found = set()
        for name in os.listdir(where) if os.path.isdir(where) else ():
            if not os.path.islink(os.path.join(where, name)):
                with open(os.path.join(where, name), "rb") as file:
                    found.add(file.read())
        return found

    def both_ways(self, kind):
        self.pair_with(kind)
        # New, many at once, deep, of each kind.
        for number in range(40):
            self.b.write(f"mnt/many/{number % 20}/{number}", f"{number}")
        self.b.write("mnt/big", os.urandom(9 << 20))
        os.symlink("elsewhere", self.b.path("mnt/link"))
        os.mkdir(self.b.path("mnt/empty"))
        self.converge(self.a, self.b)
        # Replaced, changed in its metadata, removed.
        self.b.write("mnt/of the mount", b"from B")
        os.chmod(self.b.path("mnt/many/1/1"), 0o751)
        os.unlink(self.b.path("mnt/many/2/2"))
        os.unlink(self.b.path("mnt/link"))
        os.symlink("another", self.b.path("mnt/link"))
        os.rmdir(self.b.path("mnt/empty"))
        self.converge(self.a, self.b)
        self.assertEqual(b"from B", self.a.read("mnt/of the mount"))
        self.assertIn(b"1", self.trashed(self.inner))
        self.assertIn(b"2", self.trashed(self.inner))
        self.assertEqual(set(), self.trashed(self.a.dir))
        # Into it, out of it, and within, at a host for which it is all one.
        self.b.write("outside", b"in the root")
        self.converge(self.a, self.b)
        os.rename(self.b.path("outside"), self.b.path("mnt/inside"))
        os.rename(self.b.path("mnt/big"), self.b.path("big"))
        os.rename(self.b.path("mnt/many"), self.b.path("mnt/some"))
        self.converge(self.a, self.b)
        self.assertEqual(b"in the root", self.a.read("mnt/inside"))
        self.assertIsNone(self.a.read("mnt/big"))
        status = self.a.status()
        self.assertEqual([], status.get("failedPaths", []), status)
        self.assertFalse([path for path in contents(self.b) if "conflict" in path or
                          ".syncagent" in path])

    def test_both_ways_tmpfs(self):
        self.both_ways("tmpfs")

    def test_both_ways_ext4(self):
        self.both_ways("ext4")

    def test_it_can_be_unmounted_and_comes_back(self):
        self.pair_with("ext4")
        for name in ("from B", "goes", "stays"):
            self.b.write("mnt/" + name, b"2")
        self.converge(self.a, self.b)
        before = contents(self.b)
        for _ in range(20):
            if subprocess.run(["umount", self.inner], check=False).returncode == 0:
                break
            time.sleep(0.2)
        else:
            self.fail("the agent keeps the file system busy")
        self.a.write("beside", b"3")
        wait_until(lambda: self.b.read("beside") == b"3", "the rest goes on")
        time.sleep(2)
        self.assertEqual({**before, "beside": b"3"}, contents(self.b), "nothing was deleted")
        self.b.write("mnt/while it was away", b"4")
        self.b.write("mnt/from B", b"2, edited")
        os.unlink(self.b.path("mnt/goes"))
        os.chmod(self.b.path("mnt"), 0o750)
        self.b.write("outside", b"moved in")
        wait_until(lambda: self.a.read("outside"), "it arrives")
        os.rename(self.b.path("outside"), self.b.path("mnt/moved in"))
        wait_until(lambda: all(name in str(self.a.status().get("failedPaths")) for name in
                               ("mnt/while it was away", "mnt/goes", "'mnt'")),
                   "all of it waits for the file system")
        self.assertEqual([], os.listdir(self.inner), "nothing is put where it would be hidden")
        os.rmdir(self.inner)
        self.b.write("mnt/once more", b"5")
        wait_until(lambda: "mnt/once more" in str(self.a.status().get("failedPaths")),
                   "it waits for the file system")
        self.assertFalse(os.path.exists(self.inner))
        self.mount(self.inner, "ext4")
        self.converge(self.a, self.b)
        self.assertEqual(b"5", self.a.read("mnt/once more"))
        self.assertIsNone(self.b.read("mnt/goes"), "a deletion stays one")
        self.assertEqual(b"2", self.b.read("mnt/stays"))
        self.assertEqual(0o750, os.stat(self.inner).st_mode & 0o777)
        self.assertEqual(b"moved in", self.a.read("mnt/moved in"))
        self.assertEqual(b"4", self.a.read("mnt/while it was away"))
        self.assertEqual(b"2, edited", self.a.read("mnt/from B"))
        self.assertFalse([path for path in contents(self.b) if "conflict" in path])

    def test_names_that_are_one_there(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("needs FUSE")
        self.server_ = self.server()
        self.a, self.b = self.agent("A", self.server_, start=False), self.agent("B", self.server_)
        inner, below = self.a.path("mnt"), os.path.join(self.base, "below")
        os.makedirs(inner)
        os.mkdir(below)
        folding = os.path.join(os.path.dirname(os.path.abspath(__file__)), "folding_fs.py")
        mounted = subprocess.Popen([sys.executable, folding, below, inner])
        self.addCleanup(mounted.wait)
        self.addCleanup(subprocess.run, ["umount", "-l", inner], check=False)
        self.addCleanup(self.a.stop)
        wait_until(lambda: os.path.ismount(inner), "a mount")
        self.a.start()
        wait_until(lambda: os.path.isdir(self.b.path("mnt")), "it is in step")
        for name in ("name", "NAME", "dir/x", "DIR/y", "beside"):
            self.b.write(f"mnt/{name}", name)
        self.b.write("outside", b"x")
        wait_until(lambda: self.a.read("outside") == b"x", "the rest goes on")
        wait_until(lambda: "differ in case" in str(self.a.status().get("failedPaths")), "it is said")
        self.assertEqual([".syncagent"], os.listdir(inner))
        for name in ("name", "NAME", "dir/x", "DIR/y", "beside"):
            self.assertEqual(name.encode(), self.b.read(f"mnt/{name}"))

    def test_what_a_killed_agent_left_is_removed(self):
        self.pair_with("tmpfs")
        self.b.write("mnt/from B", b"2")
        self.converge(self.a, self.b)
        self.a.kill()
        for name in ("0123456789abcdef01234567", "another"):
            with open(os.path.join(self.inner, ".syncagent", "tmp", name), "wb") as file:
                file.write(b"half a file")
        self.restart(self.a)
        self.assertEqual([], os.listdir(os.path.join(self.inner, ".syncagent", "tmp")))

    def test_a_link_in_place_of_its_workspace_is_refused(self):
        self.pair_with("tmpfs")
        victim = os.path.join(self.base, "victim")
        os.makedirs(os.path.join(victim, "tmp"))
        precious = os.path.join(victim, "tmp", "precious")
        with open(precious, "w", encoding="ascii") as file:
            file.write("precious")
        os.symlink(victim, os.path.join(self.inner, ".syncagent"))
        self.b.write("mnt/from B", b"2")
        self.b.write("beside", b"3")
        wait_until(lambda: self.a.read("beside") == b"3", "the rest goes on")
        wait_until(lambda: self.a.status().get("failedPaths"), "it is said")
        self.assertIn(".syncagent", str(self.a.status()["failedPaths"]))
        self.assertEqual(["precious"], os.listdir(os.path.dirname(precious)))
        os.unlink(os.path.join(self.inner, ".syncagent"))
        self.converge(self.a, self.b)


if __name__ == "__main__":
    unittest.main()
