"""Pause, resume, and syncing at times instead of all the time."""
import os
import subprocess
import time
import unittest

import harness
from harness import SYNCAGENT, wait_until


class PauseTest(harness.SyncTestCase):
    def tell(self, command, directory):
        return subprocess.run([SYNCAGENT, command, directory], capture_output=True, text=True,
                              check=False, timeout=30)

    def state(self, agent):
        return agent.status().get("state", "")

    def test_what_changes_during_a_pause_goes_both_ways_afterwards(self):
        _, a, b = self.pair()
        a.write("before", "x")
        self.arrives(b, "before", "x")
        self.assertEqual(0, self.tell("pause", a.dir).returncode)
        wait_until(lambda: self.state(a) == "paused", "A is paused")
        a.write("from-a", "1")
        b.write("from-b", "2")
        os.unlink(b.path("before"))
        wait_until(lambda: a.status().get("pendingLocal"), "A has noticed its own change")
        wait_until(b.in_sync, "B is in sync")
        self.assertEqual(b"x", a.read("before"))
        self.assertIsNone(a.read("from-b"))
        self.assertIsNone(b.read("from-a"))
        # A pause outlasts a restart.
        a.stop()
        a.start()
        wait_until(lambda: self.state(a) == "paused", "A is paused again")
        self.assertEqual(0, self.tell("resume", a.dir).returncode)
        self.arrives(b, "from-a", "1")
        self.arrives(a, "from-b", "2")
        self.converge(a, b)
        self.assertNotIn("offline", a.process.output())

    def test_a_run_that_is_asked_for_syncs_what_is_paused(self):
        server, a, b = self.pair()
        wait_until(a.in_sync, "in sync")
        self.assertEqual(0, self.tell("pause", a.dir).returncode)
        wait_until(lambda: self.state(a) == "paused", "A is paused")
        a.stop()
        a.write("file", "x")
        result = subprocess.run([SYNCAGENT, "sync", "--server", server.address, a.dir],
                                capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(0, result.returncode, result.stderr)
        self.arrives(b, "file", "x")
        a.start()
        wait_until(lambda: self.state(a) == "paused", "A is still paused")

    def test_nobody_to_tell(self):
        for command in ("pause", "resume"):
            result = self.tell(command, self.base)
            self.assertEqual(2, result.returncode)
            self.assertIn("not a synced directory", result.stderr)
        _, a, _ = self.pair()
        wait_until(a.in_sync, "in sync")
        a.stop()
        result = self.tell("pause", a.dir)
        self.assertEqual(1, result.returncode)
        self.assertIn("no agent runs", result.stderr)

    def test_schedule(self):
        server = self.server()
        a = self.agent("A", server, flags=("--schedule", "* * * * *"))
        b = self.agent("B", server)
        wait_until(lambda: self.state(a).startswith("paused (until "), "A rests")
        minute = int(time.time()) // 60
        a.write("file", "x")
        self.arrives(b, "file", "x", 90)
        self.assertGreater(int(time.time()) // 60, minute)
        wait_until(lambda: self.state(a).startswith("paused (until "), "A rests again")

    def test_wrong_schedules_are_refused(self):
        for value in ("often", "* * * *", "61 * * * *", "0 0 30 2 *", "@reboot"):
            result = subprocess.run([SYNCAGENT, "--schedule", value, self.base],
                                    capture_output=True, text=True, check=False, timeout=30)
            self.assertEqual(2, result.returncode, value)
            self.assertIn("--schedule", result.stderr)


if __name__ == "__main__":
    unittest.main()
