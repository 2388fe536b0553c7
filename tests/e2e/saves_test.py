"""Saves: the ways programs write files, and what another host sees meanwhile."""
import os
import struct
import subprocess
import threading
import time
import unittest

import harness
from harness import wait_until


class SavesTest(harness.SyncTestCase):
    def test_the_four_ways_to_save(self):
        _, a, b = self.pair()
        a.write("doc.txt", "one")
        self.arrives(b, "doc.txt", "one")
        for round_number in range(5):
            with open(a.path("doc.txt"), "r+b") as file:  # in place
                file.truncate(0)
                file.write(b"in place %d" % round_number)
            self.arrives(b, "doc.txt", "in place %d" % round_number)
            a.write("doc.txt.new", "renamed %d" % round_number)  # write and rename
            os.rename(a.path("doc.txt.new"), a.path("doc.txt"))
            self.arrives(b, "doc.txt", "renamed %d" % round_number)
            os.unlink(a.path("doc.txt"))  # delete and create
            a.write("doc.txt", "created %d" % round_number)
            self.arrives(b, "doc.txt", "created %d" % round_number)
            with open(a.path("doc.txt"), "ab") as file:  # append
                file.write(b" and more")
            self.arrives(b, "doc.txt", "created %d and more" % round_number)
        self.converge(a, b)
        self.assertEqual(["doc.txt"], sorted(n for n in os.listdir(b.dir) if n != ".syncagent"))

    def test_metadata_alone(self):
        _, a, b = self.pair()
        a.write("script", "#!/bin/sh\n")
        self.arrives(b, "script", "#!/bin/sh\n")
        os.chmod(a.path("script"), 0o755)
        wait_until(lambda: os.stat(b.path("script")).st_mode & 0o777 == 0o755, "mode arrives")
        os.utime(a.path("script"), ns=(1, 1234567890123456789))
        wait_until(lambda: os.stat(b.path("script")).st_mtime_ns == 1234567890123456789,
                   "mtime arrives")
        self.converge(a, b)

    def test_a_file_written_all_the_time_is_never_seen_torn(self):
        """Every write is one pwrite of the whole file, all blocks stamped with its generation:
        a version that mixes generations never existed."""
        _, a, b = self.pair()
        blocks, block = 256, 4096
        stop = threading.Event()

        def write():
            generation = 0
            fd = os.open(a.path("busy"), os.O_RDWR | os.O_CREAT, 0o644)
            while not stop.is_set():
                generation += 1
                os.pwrite(fd, struct.pack("<Q", generation) * (block // 8) * blocks, 0)
            os.close(fd)

        writer = threading.Thread(target=write)
        writer.start()
        seen = set()
        try:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                data = b.read("busy")
                if not data:
                    continue
                stamps = {data[i:i + 8] for i in range(0, len(data), block)}
                self.assertEqual(1, len(stamps), "torn on the other side")
                self.assertEqual(blocks * block, len(data))
                seen |= stamps
        finally:
            stop.set()
            writer.join()
        self.converge(a, b)
        self.assertEqual(a.read("busy"), b.read("busy"))

    def test_a_growing_log_arrives_as_prefixes(self):
        _, a, b = self.pair()
        line = b"0123456789abcdef" * 64
        stop = threading.Event()

        def write():
            with open(a.path("log"), "ab", buffering=0) as file:
                while not stop.is_set():
                    file.write(line)
                    time.sleep(0.002)  # the pace of the writer, not a wait

        writer = threading.Thread(target=write)
        writer.start()
        try:
            wait_until(lambda: b.read("log"), "the log appears while it grows", 30)
            for _ in range(20):
                data = b.read("log")
                self.assertEqual(line * (len(data) // len(line)), data)
        finally:
            stop.set()
            writer.join()
        self.converge(a, b)


class OneShotTest(harness.SyncTestCase):
    def test_a_run_ends_though_a_file_is_always_being_written(self):
        server = self.server()
        a = self.agent("A", server, start=False)
        a.write("beside", "beside")
        a.write("log", "the first line\n")
        with harness.always_written(a.path("log")):
            for _ in range(3):
                result = subprocess.run(
                    [harness.SYNCAGENT, "sync", "--server", a.server, a.dir], timeout=120,
                    stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
                self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        b = self.agent("B", server)
        self.arrives(b, "beside", "beside")
        # What had been written when the last run looked.
        wait_until(lambda: (b.read("log") or b"").startswith(b"the first line\na line\n"), "the log")
        self.assertTrue(a.read("log").startswith(b.read("log")))


if __name__ == "__main__":
    unittest.main()
