"""A disk that is full, at the server or at an agent: said, nothing lost, and it goes on."""
import os
import subprocess
import tempfile
import unittest

import harness
from harness import wait_until

MIB = 1 << 20


@unittest.skipUnless(os.geteuid() == 0, "needs root, to mount a small disk")
class DiskFullTest(harness.SyncTestCase):
    def small_disk(self, mib):
        path = tempfile.mkdtemp(prefix="small-", dir=self.base)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", path], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", path], check=False)
        return path

    def fill(self, disk, leave=0):
        """Leaves but so many bytes free; returns the file that takes the rest."""
        ballast = os.path.join(disk, "ballast")
        with open(ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * MIB)
            except OSError:
                pass
            file.truncate(os.path.getsize(ballast) - leave)
        return ballast

    def test_server(self):
        disk = self.small_disk(256)
        server = self.server(directory=disk)
        a, b = self.agent("A", server), self.agent("B", server)
        a.write("before", "x")
        self.arrives(b, "before", "x")
        ballast = self.fill(disk)
        content = os.urandom(8 * MIB)
        for number in range(4):
            a.write(f"big-{number}", content + bytes([number]))
        a.write("small", "y" * 3000)
        wait_until(lambda: "disk" in a.status().get("lastError", "") or
                   a.status().get("failedPaths") or "full" in a.process.output() or
                   "No space" in a.process.output(), "A says why it can't send", 60)
        self.assertTrue(server.process.running(), server.process.output())
        os.unlink(ballast)
        for number in range(4):
            self.arrives(b, f"big-{number}", content + bytes([number]), 120)
        self.arrives(b, "small", "y" * 3000, 120)
        self.converge(a, b)

    def test_receiver(self):
        disk = self.small_disk(128)
        server = self.server()
        a = self.agent("A", server)
        b = self.agent("B", server, directory=os.path.join(disk, "B"))
        a.write("kept", "old")
        self.arrives(b, "kept", "old")
        ballast = self.fill(disk)
        content = os.urandom(8 * MIB)
        a.write("big", content)
        a.write("kept", content[: 2 * MIB])
        wait_until(lambda: b.status().get("failedPaths") or "halted" in b.process.output() or
                   "space" in b.process.output(), "B says that its disk is full", 60)
        self.assertEqual(b"old", b.read("kept"), "what is there stays until the new is complete")
        self.assertEqual(content, a.read("big"))
        os.unlink(ballast)
        self.arrives(b, "big", content, 180)
        self.arrives(b, "kept", content[: 2 * MIB], 180)
        self.converge(a, b)
        self.no_leftovers(a, b)

    def test_deleted_before_it_could_be_received(self):
        disk = self.small_disk(128)
        server = self.server()
        a = self.agent("A", server)
        b = self.agent("B", server, directory=os.path.join(disk, "B"))
        a.write("kept", "x")
        self.arrives(b, "kept", "x")
        ballast = self.fill(disk, leave=6 * MIB)  # enough for its state
        for number in range(3):
            a.write(f"big-{number}", os.urandom((number * 10 + 2) * MIB))
        wait_until(lambda: b.status().get("failedPaths"), "B says that its disk is full", 60)
        wait_until(lambda: a.in_sync(), "A is in sync", 60)
        for number in range(3):
            os.unlink(a.path(f"big-{number}"))
        wait_until(lambda: a.in_sync() and b.status()["appliedVersion"] ==
                   a.status()["headVersion"], "the deletions have come", 60)
        os.unlink(ballast)
        self.converge(a, b)
        self.assertEqual(["kept"], sorted(set(os.listdir(b.dir)) - {".syncagent"}))


class DamagedPackTest(harness.SyncTestCase):
    def test_flipped_bytes_reach_nobody(self):
        server = self.server()
        a = self.agent("A", server)
        contents = {f"file-{number}": os.urandom(200_000) for number in range(5)}
        for name, content in contents.items():
            a.write(name, content)
        wait_until(a.in_sync, "in sync", 60)
        a.stop()
        server.process.stop()
        packs = os.path.join(server.data, "packs")
        with open(os.path.join(packs, sorted(os.listdir(packs))[0]), "r+b") as pack:
            pack.seek(1000)
            pack.write(b"damage")
        server.start()
        b = self.agent("B", server)
        failed = wait_until(lambda: b.status().get("failedPaths"), "B says which file it is", 60)
        bad = {entry["path"] for entry in failed}
        self.assertEqual(1, len(bad))
        for name, content in contents.items():
            if name in bad:
                self.assertIsNone(b.read(name))
            else:
                self.arrives(b, name, content)


if __name__ == "__main__":
    unittest.main()
