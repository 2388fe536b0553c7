"""Ignore rules: what they hide is invisible in both directions, and nothing is lost by a rule."""
import json
import os
import shutil
import subprocess
import unittest

import harness
from harness import wait_until


class IgnoreTest(harness.SyncTestCase):
    def settled(self, *agents):
        """A change that travels after what was done before it has arrived everywhere."""
        self.number = getattr(self, "number", 0) + 1
        agents[0].write(f"marker-{self.number}", str(self.number))
        for agent in agents[1:]:
            self.arrives(agent, f"marker-{self.number}", str(self.number))
        for agent in agents:
            wait_until(agent.in_sync, f"{agent.name} in sync")

    def names(self, agent):
        """Relative paths of all files, but markers and the agent's own."""
        found = set()
        for directory, below, files in os.walk(agent.dir):
            below[:] = [name for name in below if name != ".syncagent"]
            found |= {os.path.relpath(os.path.join(directory, name), agent.dir) for name in files}
        return {name for name in found if not name.startswith("marker-")}

    def test_nothing_ignored_is_sent(self):
        server = self.server()
        a, b = (self.agent(name, server, start=False) for name in "AB")
        a.write(".syncignore", "*.log\n!keep.log\nbuild/\n/top\n")
        a.write("sub/.syncignore", "!special.log\n*.tmp\n")
        for name in ("x.log", "keep.log", "build/out", "top", "sub/top", "sub/special.log",
                     "sub/x.log", "sub/y.tmp", "y.tmp", "sub/build/z", "src/build.c"):
            a.write(name, name)
        a.start()
        b.start()
        seen = {".syncignore", "sub/.syncignore", "keep.log", "sub/top", "sub/special.log",
                "y.tmp", "src/build.c"}
        for name in seen:
            wait_until(lambda n=name: b.read(n) is not None, f"{name} arrives")
        self.settled(a, b)
        self.assertEqual(seen, self.names(b))
        # Live as well, and the other way round, by the rules that came over.
        for agent in (a, b):
            agent.write(f"live-{agent.name}.log", "x")
            agent.write(f"new-{agent.name}/build/x", "x")
            agent.write(f"new-{agent.name}/file", "x")
        self.arrives(b, "new-A/file", "x")
        self.arrives(a, "new-B/file", "x")
        self.settled(a, b)
        self.assertEqual(seen | {"new-A/file", "new-B/file", "live-B.log", "new-B/build/x"},
                         self.names(b))

    def test_a_new_rule_deletes_nothing_and_its_end_brings_both_sides_together(self):
        server = self.server()
        a, b = self.agent("A", server), self.agent("B", server)
        for name in ("data/one", "data/two", "data/deep/three", "other"):
            a.write(name, "old")
        self.converge(a, b)
        b.write(".syncignore", "data/\n")
        self.arrives(a, ".syncignore", "data/\n")
        self.settled(b, a)
        # From here on each side goes its own way below data.
        a.write("data/one", "a's")
        b.write("data/new", "b's")
        os.unlink(b.path("data/two"))
        a.write("other", "new")
        self.arrives(b, "other", "new")
        self.settled(a, b)
        self.assertEqual(b"old", b.read("data/one"))
        self.assertEqual(b"old", a.read("data/two"))
        self.assertIsNone(a.read("data/new"))
        os.unlink(a.path(".syncignore"))
        self.arrives(b, "data/one", "a's")
        self.arrives(a, "data/new", "b's")
        # Nobody knows any more that it was deleted and not just missing.
        self.arrives(b, "data/two", "old")
        self.converge(a, b)

    def test_rules_of_one_agent_alone(self):
        server = self.server()
        a = self.agent("A", server)
        b = self.agent("B", server, flags=("--ignore", "*.iso", "--ignore", "!small.iso",
                                           "--exclude", "private/"))
        for name in ("big.iso", "small.iso", "private/letter", "public/letter"):
            a.write(name, name)
        for name in ("small.iso", "public/letter"):
            self.arrives(b, name, name)
        self.settled(a, b)
        self.assertEqual({"small.iso", "public/letter"}, self.names(b))
        # What it can't see there it neither overwrites nor deletes.
        b.write("big.iso", "b's own")
        b.write("private/letter", "b's own")
        self.settled(b, a)
        self.assertEqual(b"big.iso", a.read("big.iso"))
        shutil.rmtree(b.path("private"))
        self.settled(b, a)
        self.assertEqual(b"private/letter", a.read("private/letter"))
        # Without the rules both sides' contents are kept.
        b.stop()
        b.flags = ()
        b.start()
        self.arrives(b, "private/letter", "private/letter")
        self.converge(a, b)
        self.assertEqual({b"big.iso", b"b's own"},
                         {a.read(name) for name in self.names(a) if name.startswith("big")})

    def test_include(self):
        server = self.server()
        a = self.agent("A", server)
        b = self.agent("B", server, flags=("--include", "docs/manual", "--include", "src"))
        for name in ("docs/manual/1", "docs/other", "src/a/b", "top"):
            a.write(name, name)
        self.arrives(b, "docs/manual/1", "docs/manual/1")
        self.arrives(b, "src/a/b", "src/a/b")
        wait_until(a.in_sync, "A in sync")
        wait_until(b.in_sync, "B in sync")
        self.assertEqual({"docs/manual/1", "src/a/b"}, self.names(b))

    def test_gitignore_when_asked(self):
        server = self.server()
        a = self.agent("A", server, flags=("--use-gitignore",))
        b = self.agent("B", server)
        a.write(".gitignore", "*.o\n")
        a.write("x.o", "x")
        a.write("x.c", "x")
        a.write("sub/.gitignore", "!y.o\n")
        a.write("sub/y.o", "y")
        self.arrives(b, "x.c", "x")
        self.arrives(b, "sub/y.o", "y")
        self.settled(a, b)
        self.assertIsNone(b.read("x.o"))

    def test_ignored_files_hold_a_directory_unless_deletable(self):
        server = self.server()
        a, b = self.agent("A", server), self.agent("B", server)
        a.write(".syncignore", "*.keep\n(?d)*.cache\n")
        a.write("held/file", "x")
        a.write("let go/file", "x")
        self.arrives(b, "held/file", "x")
        self.arrives(b, "let go/file", "x")
        b.write("held/x.keep", "mine")
        b.write("let go/y.cache", "mine")
        b.write("let go/deep.cache/z", "mine")
        self.settled(b, a)
        shutil.rmtree(a.path("held"))
        shutil.rmtree(a.path("let go"))
        wait_until(lambda: not os.path.exists(b.path("let go")), "the directory goes")
        wait_until(lambda: b.read("held/file") is None, "the file goes")
        self.settled(a, b)
        self.assertEqual(b"mine", b.read("held/x.keep"))

    def test_rules_that_cannot_be_read_hide_what_they_may_have_hidden(self):
        server = self.server()
        a, b = self.agent("A", server), self.agent("B", server)
        os.mkdir(a.path("sub"))
        a.write("staged", "x" * 5000 + "\n")
        os.rename(a.path("staged"), a.path("sub/.syncignore"))
        a.write("sub/secret", "x")
        a.write("beside", "x")
        self.arrives(b, "beside", "x")
        self.settled(a, b)
        self.assertIsNone(b.read("sub/secret"))
        self.assertIn("sub/.syncignore", a.process.output())
        a.write("staged", "*.tmp\n")
        os.rename(a.path("staged"), a.path("sub/.syncignore"))
        self.arrives(b, "sub/secret", "x")
        self.converge(a, b)

    def test_renames_into_and_out_of_what_is_ignored(self):
        server = self.server()
        a, b = self.agent("A", server), self.agent("B", server)
        a.write(".syncignore", "hidden/\n")
        a.write("shown/file", "1")
        a.write("hidden/file", "2")
        self.arrives(b, "shown/file", "1")
        os.rename(a.path("shown"), a.path("hidden/shown"))
        wait_until(lambda: not os.path.exists(b.path("shown")), "it goes at B")
        os.rename(a.path("hidden"), a.path("open"))
        self.arrives(b, "open/file", "2")
        self.arrives(b, "open/shown/file", "1")
        self.converge(a, b)

    def test_which_rule_decides(self):
        server = self.server()
        a = self.agent("A", server, flags=("--ignore", "*.iso", "--exclude", "private"))
        a.write(".syncignore", "# comment\n*.log\n!keep.log\n(?d)build/\n")
        a.write("sub/.syncignore", "/x\n")
        wait_until(a.in_sync, "in sync")

        def ask(path):
            result = subprocess.run([harness.SYNCAGENT, "ignore", "test", "--json", a.path(path)],
                                    capture_output=True, text=True, check=False, timeout=30)
            self.assertEqual(0, result.returncode, result.stderr)
            verdict = json.loads(result.stdout)
            return (verdict.get("ignored", False), verdict.get("deletable", False),
                    verdict.get("source", ""), int(verdict.get("line", 0)),
                    verdict.get("rule", ""))
        self.assertEqual((True, False, ".syncignore", 2, "*.log"), ask("deep/down/x.log"))
        self.assertEqual((False, False, ".syncignore", 3, "!keep.log"), ask("keep.log"))
        self.assertEqual((True, True, ".syncignore", 4, "(?d)build/"), ask("sub/build/"))
        self.assertEqual((False, False, "", 0, ""), ask("sub/build"))
        self.assertEqual((True, False, "sub/.syncignore", 1, "/x"), ask("sub/x/below"))
        self.assertEqual((True, False, "--ignore", 1, "*.iso"), ask("big.iso"))
        self.assertEqual("--exclude", ask("private/letter")[2])
        shown = subprocess.run([harness.SYNCAGENT, "ignore", "test", "x.log"], cwd=a.dir,
                               capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual("x.log: ignored by .syncignore:2: *.log\n", shown.stdout)
        self.assertEqual(2, subprocess.run([harness.SYNCAGENT, "ignore", "test", self.base],
                                           capture_output=True, check=False).returncode)

    def test_wrong_subtrees_are_refused(self):
        for option in ("--include", "--exclude"):
            for value in ("../up", "/abs", ""):
                result = subprocess.run([harness.SYNCAGENT, "sync", option, value, self.base],
                                        capture_output=True, text=True, check=False, timeout=30)
                self.assertEqual(2, result.returncode)
                self.assertIn(option, result.stderr)


if __name__ == "__main__":
    unittest.main()
