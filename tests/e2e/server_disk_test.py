"""The server's disk is full: a pause that is said, in which deletions pass, and that ends by itself.
The server's disk fails: nothing is acknowledged any more, and the server ends."""
import os
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import wait_until

MIB = 1 << 20
FULL = "the server's disk is full"


def reasons(agent):
    return [problem["reason"] for problem in agent.status().get("failedPaths", [])]


@unittest.skipUnless(os.geteuid() == 0, "needs root, to mount a small disk")
class FullServerDiskTest(harness.SyncTestCase):
    def setUp(self):
        super().setUp()
        self.disk = tempfile.mkdtemp(prefix="small-", dir=self.base)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "none", self.disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=False)
        self.server_ = self.server(directory=self.disk)
        self.a, self.b = self.agent("A", self.server_), self.agent("B", self.server_)
        self.ballast = os.path.join(self.disk, "ballast")

    def fill(self, leave=0):
        with open(self.ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * MIB)
            except OSError:
                pass
            file.truncate(os.path.getsize(self.ballast) - leave)

    def said(self, text):
        return sum(text in line for line in self.server_.process.output().splitlines())

    def test_content_waits_and_deletions_pass(self):
        pid = self.server_.process.pid
        for name in ("edited", "gone"):
            self.a.write(name, "x")
            self.arrives(self.b, name, "x")
        self.fill(leave=10 * MIB)
        large = os.urandom(3 * MIB)
        self.a.write("large", large)
        self.a.write("edited", "y" * 3000)
        wait_until(lambda: len(reasons(self.a)) == 2 and
                   all(FULL in reason for reason in reasons(self.a)), "A says why", 30)
        self.assertIn("incomplete", self.a.status()["state"])
        self.assertEqual(1, self.server_.metric("filesync_store_refusing"))
        self.assertLessEqual(self.server_.metric("filesync_store_free_bytes"), 10 * MIB)
        os.unlink(self.a.path("gone"))
        wait_until(lambda: not os.path.lexists(self.b.path("gone")), "the deletion passes", 30)
        self.assertEqual(b"x", self.b.read("edited"))
        self.assertEqual(1, self.said("the disk is full"), self.server_.process.output())
        os.unlink(self.ballast)
        self.arrives(self.b, "large", large, 75)
        self.arrives(self.b, "edited", "y" * 3000, 75)
        self.converge(self.a, self.b)
        self.assertEqual(0, self.server_.metric("filesync_store_refusing"))
        self.assertEqual(1, self.said("has room again"), self.server_.process.output())
        self.assertEqual(pid, self.server_.process.pid)
        self.assertTrue(self.server_.process.running())

    def test_not_a_byte_is_left(self):
        names = [f"d{number % 10}/f{number}" for number in range(3000)]
        for name in names[:1000]:
            self.a.write(name, name)
        self.converge(self.a, self.b)
        self.fill()
        for name in names[1000:]:
            self.a.write(name, name * 100)
        for name in names[:300]:
            os.rename(self.a.path(name), self.a.path(name) + ".renamed")
        for name in names[300:600]:
            os.unlink(self.a.path(name))
        wait_until(lambda: any(FULL in reason for reason in reasons(self.a)), "A says why", 60)
        self.assertTrue(self.server_.process.running(), self.server_.process.output())
        os.unlink(self.ballast)
        self.converge(self.a, self.b)

    def test_one_run(self):
        self.fill(leave=5 * MIB)
        one = os.path.join(self.base, "one")
        os.mkdir(one)
        with open(os.path.join(one, "file"), "wb") as file:
            file.write(os.urandom(MIB))
        run = subprocess.run([harness.SYNCAGENT, "sync", "--server", self.server_.address, one],
                             capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(1, run.returncode, run.stdout + run.stderr)
        self.assertIn(FULL, run.stdout + run.stderr)

    def test_a_start_without_room_is_said_and_one_with_room_follows(self):
        self.a.write("file", "x")
        self.arrives(self.b, "file", "x")
        self.server_.process.stop()
        self.fill()
        ended = subprocess.run(self.server_.process.arguments, capture_output=True, text=True,
                               check=False, timeout=60)
        if ended.returncode != 0:
            self.assertIn("No space left", ended.stderr)
        os.unlink(self.ballast)
        self.server_.start()
        self.a.write("file", "y")
        self.arrives(self.b, "file", "y", 90)


@unittest.skipUnless(shutil.which("strace"), "needs strace")
class FailingServerDiskTest(harness.SyncTestCase):
    def fails_at(self, call, content, only_of=None):
        server, a, b = self.pair()
        a.write("before", "x")
        self.arrives(b, "before", "x")
        head = server.metric("filesync_folder_head_version")
        only = []
        if only_of is not None:
            store = os.path.join(server.data, "store")
            only = [part for name in os.listdir(store) if name.endswith(only_of)
                    for part in ("-P", os.path.join(store, name))]
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(server.process.pid),
             "-e", f"trace={call}", "-e", f"inject={call}:error=EIO", *only],
            stderr=subprocess.DEVNULL)
        self.addCleanup(tracer.wait)
        self.addCleanup(tracer.kill)

        def traced():
            with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
                return f"TracerPid:\t{tracer.pid}" in file.read()
        wait_until(traced, "strace is there")
        a.write("file", content)
        code = server.process.process.wait(30)
        self.assertEqual(1, code, server.process.output())
        self.assertIn("the store has failed", server.process.output())
        self.assertIn("not cleanly", server.process.output())
        self.assertIsNone(b.read("file"))
        tracer.kill()
        server.start()
        self.arrives(b, "file", content, 90)
        self.converge(a, b)
        a.write("later", "y")
        self.arrives(b, "later", "y", 90)
        # Versions go on above what was reserved, as after any stop that was not clean.
        self.assertGreater(server.metric("filesync_folder_head_version"), head + 1000)

    def test_syncing_content(self):
        self.fails_at("fdatasync", os.urandom(2 * MIB))

    def test_writing_content(self):
        self.fails_at("pwritev", os.urandom(2 * MIB))

    def test_writing_entries(self):
        self.fails_at("write", b"small", only_of=".log")

    def test_syncing_entries(self):
        self.fails_at("fdatasync", b"small")


if __name__ == "__main__":
    unittest.main()
