"""A 4 GiB file: bounded memory, an insertion at its front, a rename of its directory."""
import os
import unittest

import harness
from harness import wait_until

GIB = 1 << 30
SIZE = int(float(os.environ.get("FILESYNC_BIG_FILE_GIB", "4")) * GIB)
MIB = 1 << 20


def write_incompressible(path, size):
    """Fast and never repeating at chunk scale: AES-like keystream from the kernel."""
    with open(path, "wb") as file:
        left = size
        while left > 0:
            block = os.urandom(min(left, 8 * MIB))
            file.write(block)
            left -= len(block)


class BigFileTest(harness.SyncTestCase):
    def setUp(self):
        # Three to six copies of it are too much for memory.
        if SIZE > GIB:
            os.environ.setdefault("FILESYNC_TEST_TMP", "/var/tmp")
        super().setUp()

    def test_big_file(self):
        server, a, b = self.pair()
        os.mkdir(a.path("dir"))
        # The whole file appears at once, as a finished download does.
        write_incompressible(os.path.join(self.base, "big"), SIZE)
        os.rename(os.path.join(self.base, "big"), a.path("dir/big"))
        wait_until(lambda: os.path.exists(b.path("dir/big")), "the file arrives", 600, 0.5)
        self.assertTrue(harness.same_bytes(a.path("dir/big"), b.path("dir/big")))
        for agent in (a, b):
            self.assertLess(agent.process.peak_memory(), 200 * MIB, agent.name)
        self.assertLess(server.process.peak_memory(), 500 * MIB)

        with self.subTest("1 KiB inserted at the front"):
            sent = a.metric("filesync_agent_bytes_sent_total")
            received = b.metric("filesync_agent_bytes_received_total")
            with open(a.path("dir/big"), "rb") as old, \
                    open(os.path.join(self.base, "new"), "wb") as new:
                new.write(os.urandom(1024))
                while block := old.read(8 * MIB):
                    new.write(block)
            os.rename(os.path.join(self.base, "new"), a.path("dir/big"))
            wait_until(lambda: os.path.getsize(b.path("dir/big")) == SIZE + 1024,
                       "the change arrives", 600, 0.5)
            self.assertTrue(harness.same_bytes(a.path("dir/big"), b.path("dir/big")))
            self.assertLess(a.metric("filesync_agent_bytes_sent_total") - sent, MIB)
            self.assertLess(b.metric("filesync_agent_bytes_received_total") - received, MIB)

        with self.subTest("its directory is renamed"):
            wait_until(lambda: a.in_sync() and b.in_sync(), "in sync", 120)
            counters = [(agent, name, agent.metric(name)) for agent in (a, b)
                        for name in ("filesync_agent_bytes_sent_total",
                                     "filesync_agent_bytes_received_total",
                                     "filesync_agent_bytes_hashed_total")]
            inode = os.stat(b.path("dir/big")).st_ino
            os.rename(a.path("dir"), a.path("renamed"))
            wait_until(lambda: os.path.exists(b.path("renamed/big")), "the rename arrives", 60)
            wait_until(lambda: a.in_sync() and b.in_sync(), "in sync", 120)
            self.assertEqual(inode, os.stat(b.path("renamed/big")).st_ino)
            for agent, name, before in counters:
                self.assertEqual(before, agent.metric(name), f"{name} of {agent.name}")
        for agent in (a, b):
            self.assertLess(agent.process.peak_memory(), 200 * MIB, agent.name)
        self.assertLess(server.process.peak_memory(), 500 * MIB)


if __name__ == "__main__":
    unittest.main()
