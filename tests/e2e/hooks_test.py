"""Hooks: programs that are told what was synced, what is in conflict and what failed."""
import base64
import json
import os
import subprocess
import unittest

import harness
from harness import SYNCAGENT, wait_until


class HooksTest(harness.SyncTestCase):
    def setUp(self):
        super().setUp()
        self.told = os.path.join(self.base, "told")
        self.calls = os.path.join(self.base, "calls")

    def script(self, text, name="hook"):
        """An executable that can be a hook; it appends its input to `told`."""
        path = os.path.join(self.base, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)
        return path

    def recorder(self):
        return self.script(f"echo \"$SYNCAGENT_HOOK_FOLDER:$SYNCAGENT_HOOK_DIR:$#\" >> '{self.calls}'\n"
                           f"cat >> '{self.told}'")

    def lines(self):
        """What hooks were told, whole lines only."""
        try:
            with open(self.told, "rb") as file:
                text = file.read().decode()
        except FileNotFoundError:
            return []
        # A hook may be writing: the last line counts when it is whole.
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def kinds(self):
        return {(line["kind"], line.get("path")) for line in self.lines()}

    def with_hook(self, flag, command, *flags):
        server = self.server()
        a = self.agent("A", server)
        b = self.agent("B", server, flags=(flag, command, *flags))
        wait_until(a.in_sync, "A in sync")
        wait_until(b.in_sync, "B in sync")
        return a, b

    def test_on_synced_tells_every_change_once(self):
        a, b = self.with_hook("--on-synced", self.recorder())
        a.write("d/new", "x")
        wait_until(lambda: ("received", "d/new") in self.kinds(), "told")
        os.rename(a.path("d"), a.path("e"))
        wait_until(lambda: any(line["kind"] == "moved" and line["path"] == "d" and
                               line["to"] == "e" for line in self.lines()), "told")
        b.write("mine", "x")
        wait_until(lambda: ("sent", "mine") in self.kinds(), "told")
        self.arrives(a, "mine", "x")
        os.unlink(a.path("mine"))
        wait_until(lambda: ("deleted-here", "mine") in self.kinds(), "told")
        os.unlink(b.path("e/new"))
        wait_until(lambda: ("deleted-there", "e/new") in self.kinds(), "told")
        b.stop()
        for line in self.lines():
            self.assertEqual(b.dir, line["directory"])
            self.assertEqual("default", line["folder"])
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        told = [(line["kind"], line["path"]) for line in self.lines()]
        self.assertEqual(1, told.count(("received", "d/new")))
        self.assertEqual(1, told.count(("sent", "mine")))
        with open(self.calls, encoding="utf-8") as file:
            self.assertEqual({f"default:{b.dir}:0\n"}, set(file))

    def test_names_that_are_no_text_can_be_had_as_they_are(self):
        a, b = self.with_hook("--on-synced", self.recorder())
        names = [b"line\nbreak", b"bytes\xff\xfe", b"quote\"back\\slash$(touch evil)`id`;'", b"100%",
                 "grün".encode()]
        for name in names:
            with open(os.path.join(os.fsencode(a.dir), name), "wb") as file:
                file.write(name)

        def got():
            return {base64.b64decode(line["path_bytes"]) if "path_bytes" in line
                    else line["path"].encode() for line in self.lines()}
        wait_until(lambda: set(names) <= got(), "all told")
        self.assertFalse(os.path.exists(b.path("evil")))

    def test_ten_thousand_changes(self):
        server = self.server()
        a = self.agent("A", server)
        for i in range(10_000):
            a.write(f"d{i % 50}/f{i}", b"")
        wait_until(lambda: a.in_sync() and a.status().get("entries") == "10050", "A in sync", 180)
        b = self.agent("B", server, flags=("--on-synced", self.recorder()))
        wait_until(lambda: len(self.lines()) == 10_050, "all told", 240, poll=0.5)
        self.assertEqual(10_050, len({line["path"] for line in self.lines()}))
        wait_until(b.in_sync, "in sync")

    def test_a_hook_that_hangs_holds_up_neither_syncing_nor_the_end(self):
        hanging = self.script(f"echo x >> '{self.calls}'\n(sleep 1000) & sleep 1000")
        a, b = self.with_hook("--on-synced", hanging)
        a.write("one", "1")
        wait_until(lambda: os.path.exists(self.calls), "the hook runs")
        for i in range(20):
            a.write(f"more-{i}", str(i))
        self.converge(a, b)
        # Only one of it runs.
        with open(self.calls, encoding="ascii") as file:
            self.assertEqual("x\n", file.read())
        self.assertEqual(0, b.stop(), b.process.output())
        self.assertIn("was ended, as the agent stops", b.process.output())

    def test_a_hook_gets_so_much_time_and_no_more(self):
        pids = os.path.join(self.base, "pids")
        hanging = self.script(f"sleep 1000 & echo $! > '{pids}.new'; mv '{pids}.new' '{pids}'; wait")
        a, b = self.with_hook("--on-synced", hanging, "--hook-timeout", "0.5")
        a.write("one", "1")
        wait_until(lambda: "took longer than 500ms and was ended" in b.process.output(), "ended")
        with open(pids, encoding="ascii") as file:
            pid = int(file.read())

        def gone():
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                    return ") Z" in file.read()
            except OSError:
                return True
        wait_until(gone, "what it had started is gone too")
        # The next one runs.
        before = os.stat(pids).st_mtime_ns
        a.write("two", "2")
        wait_until(lambda: os.stat(pids).st_mtime_ns != before, "it runs again")

    def said(self, command, text):
        """The failing hook is said in the log, briefly, and syncing goes on."""
        a, b = self.with_hook("--on-synced", command)
        a.write("x", "x")
        wait_until(lambda: text in b.process.output(), text)
        a.write("y", "y")
        self.converge(a, b)
        self.assertLess(len(b.process.output()), 30_000)

    def test_a_hook_that_fails(self):
        self.said(self.script("echo 'it went wrong'; exit 7"),
                  "the hook ended with 7: it went wrong")

    def test_a_hook_that_is_not_there(self):
        self.said(os.path.join(self.base, "nothing"), "the hook could not be started")

    def test_a_hook_that_writes_a_lot(self):
        self.said(self.script("head -c 50000000 /dev/zero; exit 1"), "(50000000 bytes)")

    def test_on_conflict_for_copies_and_for_what_is_held(self):
        server = self.server()
        a = self.agent("A", server)
        b = self.agent("B", server, flags=("--on-conflict", self.recorder(), "--conflict",
                                           "*.held=manual"))
        for name in ("x", "y.held"):
            a.write(name, "base")
            self.arrives(b, name, "base")
        self.converge(a, b)
        b.stop()
        for name in ("x", "y.held"):
            a.write(name, "from a")
            b.write(name, "from b")
        wait_until(a.in_sync, "A in sync")
        b.start()
        wait_until(lambda: len(self.lines()) == 2, "both told")
        by_kind = {line["kind"]: line for line in self.lines()}
        self.assertEqual("x", by_kind["conflict"]["path"])
        copy = by_kind["conflict"]["copy"]
        self.assertRegex(copy, r"^x\.conflict-")
        wait_until(lambda: b.read(copy) == b"from b", "the copy that was named is there")
        self.assertEqual("y.held", by_kind["conflict-held"]["path"])
        self.assertTrue(by_kind["conflict-held"]["reason"])

    def test_on_error_for_failures_and_halts(self):
        server = self.server()
        inner = self.agent("inner", server, folder="inner",
                           directory=os.path.join(self.base, "B", "inner"))
        wait_until(inner.in_sync, "inner in sync")
        a = self.agent("A", server)
        b = self.agent("B", server, flags=("--on-error", self.recorder()))
        # Another agent's directory in this one can't be synced.
        wait_until(lambda: ("failed", "inner") in self.kinds(), "the failure is told")
        self.assertTrue(self.lines()[0]["reason"])
        inner.stop()
        os.rename(b.dir, b.dir + "-away")
        wait_until(lambda: ("halted", None) in self.kinds(), "the halt is told")
        halted = [line for line in self.lines() if line["kind"] == "halted"]
        self.assertEqual(1, len(halted))
        self.assertTrue(halted[0]["reason"])
        os.rename(b.dir + "-away", b.dir)
        a.write("x", "x")
        self.arrives(b, "x", "x", 60)

    def test_a_one_shot_ends_after_its_hooks(self):
        server = self.server()
        directory = os.path.join(self.base, "dir")
        os.mkdir(directory)
        with open(os.path.join(directory, "x"), "w", encoding="ascii") as file:
            file.write("x")
        slow = self.script(f"sleep 1; cat >> '{self.told}'")
        result = subprocess.run(
            [SYNCAGENT, "sync", "--server", server.address, directory], capture_output=True,
            text=True, check=False, timeout=120, env={**os.environ, "SYNCAGENT_ON_SYNCED": slow})
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual({("sent", "x")}, self.kinds())
        # Nothing changed: nothing is told.
        result = subprocess.run(
            [SYNCAGENT, "sync", "--server", server.address, "--on-synced", slow, directory],
            capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual(1, len(self.lines()))

    def test_wrong_commands_are_refused(self):
        for flag in ("--on-synced", "--on-conflict", "--on-error"):
            for command, said in (("a | b", "sh -c"), ("a 'b", "closing"), ("$HOME/x", "sh -c")):
                result = subprocess.run([SYNCAGENT, flag, command, self.base], capture_output=True,
                                        text=True, check=False, timeout=30)
                self.assertEqual(2, result.returncode, command)
                self.assertIn(flag, result.stderr)
                self.assertIn(said, result.stderr)
        for value in ("0", "-1", "soon"):
            result = subprocess.run([SYNCAGENT, "--hook-timeout", value, self.base],
                                    capture_output=True, text=True, check=False, timeout=30)
            self.assertEqual(2, result.returncode, value)


if __name__ == "__main__":
    unittest.main()
