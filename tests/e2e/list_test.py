"""`syncagent list`: what waits in a directory, each path with its reason."""
import json
import os
import subprocess
import unittest

import harness
from harness import SYNCAGENT, wait_until


NOBODY = 65534


class ListTest(harness.SyncTestCase):
    def list(self, agent, *flags):
        return subprocess.run([SYNCAGENT, "list", *flags, agent.dir], capture_output=True,
                              text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)

    def pending(self, agent, *flags):
        """{path: (kind, reason)} of what waits."""
        result = self.list(agent, "--json", *flags)
        self.assertEqual(0, result.returncode, result.stderr)
        report = json.loads(result.stdout)
        self.assertEqual(report.get("total", "0"), str(len(report.get("pending", ()))))
        self.running = report.get("running", False)
        return {action["path"]: (action["kind"].removeprefix("ACTION_KIND_"), action["reason"])
                for action in report.get("pending", ())}

    def test_edits_of_an_agent_that_is_offline(self):
        server, a, b = self.pair()
        for name in ("kept", "edited", "gone"):
            a.write(name, name)
        self.converge(a, b)
        self.assertEqual({}, self.pending(a))
        self.assertIn("nothing waits (in sync)", self.list(a).stdout)
        server.process.stop()
        wait_until(lambda: a.status()["state"].startswith("offline"), "A is offline")
        a.write("edited", "anew")
        a.write("d/made", "x")
        os.unlink(a.path("gone"))
        wanted = {"edited": ("SEND", "changed here"), "d": ("SEND", "new here"),
                  "d/made": ("SEND", "new here"), "gone": ("DELETE_THERE", "deleted here")}
        wait_until(lambda: self.pending(a) == wanted, "A lists what waits")
        self.assertTrue(self.running)
        self.assertEqual({"delete there gone: deleted here", "send d: new here",
                          "send d/made: new here", "send edited: changed here"},
                         set(self.list(a).stdout.splitlines()))
        # Stopped, there is no telling without the server.
        a.stop()
        result = self.list(a)
        self.assertEqual(5, result.returncode, result.stdout)
        self.assertIn("onnect", result.stderr)
        server.start()
        self.assertEqual(wanted, self.pending(a))
        self.assertFalse(self.running)
        a.start()
        self.converge(a, b)
        self.assertEqual({}, self.pending(a))

    def test_what_waits_there_for_a_directory_without_an_agent(self):
        server = self.server()
        a = self.agent("A", server, folder="docs")
        b = self.agent("B", server, folder="docs")
        a.write("one", "1")
        self.converge(a, b)
        a.stop()
        b.write("two", "2")
        os.unlink(b.path("one"))
        wait_until(b.in_sync, "B is in sync")
        wait_until(lambda: self.pending(a) == {"two": ("RECEIVE", "new there"),
                                               "one": ("DELETE_HERE", "deleted there")},
                   "the folder's news are listed")
        self.assertEqual({}, self.pending(a, "--folder", "docs", "--exclude", "one",
                                          "--exclude", "two"))

    def test_conflicts_that_wait_for_a_person(self):
        for running in (True, False):
            with self.subTest(running=running):
                server = self.server(name=f"server-{running}")
                a = self.agent(f"A-{running}", server, flags=("--conflict", "manual"))
                b = self.agent(f"B-{running}", server)
                a.write("both", "base")
                self.converge(a, b)
                a.stop()
                a.write("both", "here")
                b.write("both", "there, longer")
                wait_until(b.in_sync, "B is in sync")
                wait_until(lambda b=b: b.status()["headVersion"] >= "2", "B committed it")
                flags = () if running else ("--conflict", "manual")
                if running:
                    a.start()
                wanted = {"both": ("HOLD", "changed on both sides: waits for a decision")}
                wait_until(lambda a=a, flags=flags: self.pending(a, *flags) == wanted, "it is held")
                self.assertEqual(running, self.running)
                self.assertIn("hold both: changed on both sides", self.list(a, *flags).stdout)
                self.assertEqual(b"here", a.read("both"))

    def test_deletions_that_the_brake_holds(self):
        server, a, b = self.pair()
        for number in range(60):
            a.write(f"d-{number % 2}/{number}", str(number))
        self.converge(a, b)
        aside = os.path.join(self.base, "aside")
        os.rename(a.path("d-1"), aside)
        for number in range(0, 10, 2):
            os.unlink(a.path(f"d-0/{number}"))
        wait_until(lambda: a.status()["state"].startswith("held"), "A holds them")
        waits = self.pending(a)
        # A directory stands for what was in it.
        self.assertEqual({"d-1", *(f"d-0/{number}" for number in range(0, 10, 2))}, set(waits))
        self.assertEqual(("HOLD", "deleted here, 31 of 36 entries: waits for a confirmation"),
                         waits["d-1"])
        del server

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to be another user")
    def test_paths_that_fail(self):
        os.chmod(self.base, 0o755)
        server = self.server()
        directory = os.path.join(self.base, "A")
        os.mkdir(directory)
        os.chown(directory, NOBODY, NOBODY)
        a = self.agent("A", server, start=False, user=NOBODY, group=NOBODY, extra_groups=[])
        a.write("fine", "x")
        a.write("d/secret", "y")
        a.write("secret", "z")
        os.chmod(a.path("d"), 0o700)
        os.chmod(a.path("secret"), 0o600)
        a.start()
        wait_until(a.status, "A tells its state")
        wait_until(lambda: set(self.pending(a)) == {"d", "secret"}, "both are listed")
        waits = self.pending(a)
        self.assertEqual({"FAIL"}, {kind for kind, _ in waits.values()})
        self.assertIn("ermission", waits["secret"][1])
        self.assertTrue(waits["d"][1])
        for name in ("d", "secret"):
            os.chmod(a.path(name), 0o755)
        wait_until(lambda: self.pending(a) == {}, "both are synced")

    def test_wrong_directories_are_refused(self):
        result = subprocess.run([SYNCAGENT, "list", self.base], capture_output=True, text=True,
                                check=False, timeout=30)
        self.assertEqual(2, result.returncode)
        self.assertIn("not a synced directory", result.stderr)


if __name__ == "__main__":
    unittest.main()
