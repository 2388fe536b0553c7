"""--compare: what a scan takes for unchanged, and that events and hashes see the rest."""
import os
import unittest

from harness import wait_until
from outcomes import OutcomesTestCase

BY = {"quick": {"copied", "edited", "resized", "touched"},
      "hash": {"copied", "edited", "resized", "touched"},
      "size": {"resized"}, "mtime": {"touched"}, "size-mtime": {"resized", "touched"}}


class CompareTest(OutcomesTestCase):
    def times(self, agent, name):
        info = os.stat(agent.path(name))
        return info.st_atime_ns, info.st_mtime_ns

    def change(self, agent):
        """Each file another way, while nobody watches."""
        for name, data in (("resized", b"123456"), ("edited", b"abcde")):
            times = self.times(agent, name)
            with open(agent.path(name), "wb") as file:
                file.write(data)
            os.utime(agent.path(name), ns=times)
        times = self.times(agent, "copied")
        os.unlink(agent.path("copied"))
        with open(agent.path("copied"), "wb") as file:
            file.write(b"54321")
        os.utime(agent.path("copied"), ns=times)
        with open(agent.path("touched"), "wb") as file:
            file.write(b"99999")
        os.utime(agent.path("touched"), ns=(times[0], times[1] + 10**9))

    def test_what_a_scan_notices(self):
        server = self.server()
        for by, noticed in BY.items():
            with self.subTest(by):
                a = self.agent("A-" + by, server, folder=by, flags=("--compare", by))
                b = self.agent("B-" + by, server, folder=by)
                for name in ("same", "copied", "resized", "edited", "touched"):
                    a.write(name, b"12345")
                self.converge(a, b)
                a.stop()
                self.change(a)
                a.start()
                for name in noticed:
                    self.arrives(b, name, a.read(name))
                wait_until(a.in_sync, "A is in sync")
                for name in {"copied", "edited", "resized", "touched"} - noticed:
                    self.assertEqual(b"12345", b.read(name), name)
                # What a scan does not look at, an event leads to all the same.
                times = self.times(a, "same")
                with open(a.path("same"), "wb") as file:
                    file.write(b"event")
                os.utime(a.path("same"), ns=times)
                self.arrives(b, "same", b"event")
                # And another comparison finds the rest.
                a.stop()
                a.flags = ("--compare", "quick")
                a.start()
                self.converge(a, b)

    def test_hash_reads_all_and_the_others_nothing(self):
        server = self.server()
        a = self.agent("A", server)
        a.write("dir/one", b"x" * 1000)
        a.write("two", b"y" * 2000)
        wait_until(a.in_sync, "A is in sync")
        for by, read in (("quick", 0), ("size", 0), ("mtime", 0), ("size-mtime", 0),
                         ("hash", 3000)):
            a.stop()
            a.flags = ("--compare", by)
            a.start()
            wait_until(lambda: a.in_sync() and a.metric("filesync_agent_scans_total") > 0 and
                       a.metric("filesync_agent_bytes_hashed_total") >= read, f"{by}: in sync")
            self.assertEqual(read, a.metric("filesync_agent_bytes_hashed_total"), by)

    def test_what_was_not_noticed_is_not_overwritten(self):
        server = self.server()
        a = self.agent("A", server, flags=("--compare", "size"))
        b = self.agent("B", server)
        a.write("file", b"12345")
        self.converge(a, b)
        a.stop()
        a.write("file", b"local")
        a.start()
        wait_until(a.in_sync, "A is in sync")
        b.write("file", b"of B, longer")
        self.arrives(a, "file", b"of B, longer")
        self.converge(a, b)
        copies = [name for name in os.listdir(a.dir) if name.startswith("file.conflict")]
        self.assertEqual([b"local"], [a.read(name) for name in copies])

    def test_wrong_names_are_refused(self):
        server = self.server()
        a = self.agent("A", server, start=False)
        result = self.sync(a, "--compare", "crc")
        self.assertEqual(2, result.returncode)
        self.assertIn("size-mtime", result.stderr)
        self.synced(a, env={"SYNCAGENT_COMPARE": "hash"})


if __name__ == "__main__":
    unittest.main()
