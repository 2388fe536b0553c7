"""Renames made while an agent was not running."""
import os
import unittest

import harness
from harness import wait_until

FILES = 10_000


class OfflineMovesTest(harness.SyncTestCase):
    def test_a_large_directory_renamed_meanwhile_sends_no_content(self):
        _, a, b = self.pair()
        for number in range(FILES):
            a.write(f"old/d{number % 100}/f{number}", f"content {number}")
        a.write("else", "keeps the root from being empty")
        self.converge(a, b)
        inode = os.stat(b.path("old/d7/f7")).st_ino
        a.stop()
        os.rename(a.path("old"), a.path("new"))
        received = b.metric("filesync_agent_bytes_received_total")
        a.start()
        wait_until(lambda: os.path.exists(b.path(f"new/d99/f{FILES - 1}")), "the rename arrives",
                   120)
        self.converge(a, b)
        self.assertFalse(os.path.exists(b.path("old")))
        self.assertEqual(0, a.metric("filesync_agent_bytes_sent_total"))
        self.assertEqual(received, b.metric("filesync_agent_bytes_received_total"))
        self.assertEqual(inode, os.stat(b.path("new/d7/f7")).st_ino)

    def test_single_files_moved_and_renamed_meanwhile(self):
        _, a, b = self.pair()
        content = os.urandom(1 << 20)
        a.write("here/a", content)
        a.write("there/b", "small")
        self.converge(a, b)
        inode = os.stat(b.path("here/a")).st_ino
        a.stop()
        os.rename(a.path("here/a"), a.path("there/c"))
        os.rename(a.path("there/b"), a.path("here/d"))
        a.start()
        self.arrives(b, "there/c", content)
        self.arrives(b, "here/d", "small")
        self.converge(a, b)
        self.assertEqual(0, a.metric("filesync_agent_bytes_sent_total"))
        self.assertEqual(inode, os.stat(b.path("there/c")).st_ino)


if __name__ == "__main__":
    unittest.main()
