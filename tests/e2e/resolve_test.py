"""Conflicts that wait for a person: listed from every host, settled from the command line."""
import json
import os
import pty
import select
import subprocess
import time
import unittest

import outcomes
from harness import SYNCAGENT, wait_until
from outcomes import contents

LOCAL = b"edited on L"
REMOTE = b"edited on R, later"


def run(*arguments, timeout=60):
    return subprocess.run([SYNCAGENT, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, timeout=timeout)


class ResolveTestCase(outcomes.OutcomesTestCase):
    """L holds what it finds in conflict; R, which committed first, keeps both."""

    def diverge(self, *paths, flags=("--conflict", "manual"), stopped=False):
        self.folder = self.server()
        left = self.agent("L", self.folder, flags=flags)
        right = self.agent("R", self.folder)
        for path in (*paths, "beside"):
            self.save(left, path, b"base")
        self.converge(left, right)
        left.stop()
        right.stop()
        for path in paths:
            self.save(left, path, LOCAL)
            self.save(right, path, REMOTE)
        self.restart(right)
        if not stopped:
            left.start()
            self.waits(left, *paths)
        return left, right

    def waits(self, agent, *paths):
        """All of these are held, and the server knows."""
        wait_until(lambda: set(paths) == self.held(agent.dir), f"{paths} are held", 90)

    def listed(self, directory):
        result = run("conflicts", "--json", directory)
        self.assertEqual(0, result.returncode, result.stderr)
        return json.loads(result.stdout).get("conflicts", [])

    def none_listed(self, directory):
        """Soon: an agent tells the server of what is settled in a moment."""
        wait_until(lambda: not self.listed(directory), "no conflict is listed")

    def held(self, directory):
        return {view["path"] for view in self.listed(directory) if view["kind"] == "held"}

    def resolve(self, agent, path, keep, code=0):
        result = run("resolve", agent.path(path), "--keep", keep)
        self.assertEqual(code, result.returncode, f"{result.stdout}{result.stderr}")
        return result.stdout + result.stderr

    def copies(self, agent, stem):
        return sorted(name for name in os.listdir(agent.dir)
                      if name.startswith(stem + ".conflict-"))

    def kept_somewhere(self, agent, path, data):
        self.assertTrue(self.in_history(agent, path, data) or self.in_trash(agent, data),
                        f"{data} is lost")


class ListTest(ResolveTestCase):
    def test_from_every_host_with_both_sides(self):
        left, right = self.diverge("plan.txt", "d/deleted.txt")
        for agent in (left, right):
            views = {view["path"]: view for view in self.listed(agent.dir)}
            self.assertEqual({"plan.txt", "d/deleted.txt"}, set(views))
            view = views["plan.txt"]
            self.assertEqual(("held", "L", True),
                             (view["kind"], view["agentName"], view["connected"]))
            self.assertEqual((str(len(LOCAL)), "L"), (view["local"]["size"], view["local"]["by"]))
            self.assertEqual((str(len(REMOTE)), "R"),
                             (view["remote"]["size"], view["remote"]["by"]))
            self.assertNotEqual(view["local"]["shortHash"], view["remote"]["shortHash"])
        text = run("conflicts", right.dir).stdout
        self.assertRegex(text, r"plan\.txt  held by L, since \d{4}-")
        self.assertIn(f"local   file, {len(LOCAL)} B", text)
        self.assertIn(", by R", text)

    def test_records_outlive_the_agent_and_the_server(self):
        left, right = self.diverge("plan.txt")
        left.stop()
        self.folder.process.stop()
        self.folder.start()
        wait_until(right.in_sync, "R is in sync")
        view, = self.listed(right.dir)
        self.assertEqual(("L", False), (view["agentName"], view.get("connected", False)))
        since = view["since"]
        # Back again it finds the same conflict, which began when it did.
        left.start()
        wait_until(lambda: self.listed(right.dir)[0].get("connected"), "L is back")
        wait_until(lambda: self.held(right.dir) == {"plan.txt"}, "it is held still")
        self.assertEqual(since, self.listed(right.dir)[0]["since"])
        # What came right while it was away is forgotten when it is back.
        left.stop()
        left.write("plan.txt", REMOTE)
        left.start()
        wait_until(lambda: self.listed(right.dir) == [], "nothing is held any more")

    def test_a_one_shot_run_reports_before_it_ends(self):
        left, right = self.diverge("plan.txt", stopped=True)
        result = self.sync(left, "--conflict", "manual")
        self.assertEqual(3, result.returncode, f"{result.stdout}{result.stderr}")
        self.assertEqual({"plan.txt"}, self.held(right.dir))

    def test_many(self):
        paths = [f"d{i % 7}/f{i}" for i in range(300)]
        left, right = self.diverge(*paths)
        self.assertEqual(set(paths), self.held(right.dir))
        for path in paths[:150]:
            left.write(path, REMOTE)
        self.waits(right, *paths[150:])

    def test_conflict_copies_are_listed_too(self):
        left, right = self.diverge("plan.txt", "d/x", flags=(), stopped=True)
        left.start()
        self.converge(left, right)
        views = self.listed(right.dir)
        self.assertEqual({("copy", "plan.txt"), ("copy", "d/x")},
                         {(view["kind"], view["path"]) for view in views})
        view = next(view for view in views if view["path"] == "plan.txt")
        self.assertRegex(view["copyPath"], r"^plan\.conflict-\d{8}-\d{6}-L\.txt$")
        self.assertEqual((str(len(LOCAL)), str(len(REMOTE))),
                         (view["local"]["size"], view["remote"]["size"]))

    def test_what_can_not_be_listed_is_said(self):
        left, _ = self.diverge("plan.txt")
        self.folder.process.kill()
        result = run("conflicts", left.dir)
        self.assertEqual(5, result.returncode, result.stderr)
        self.assertIn("can't be reached", result.stderr)
        result = run("conflicts", self.base)
        self.assertEqual(2, result.returncode, result.stderr)
        self.assertIn("not a synced directory", result.stderr)


class ResolveTest(ResolveTestCase):
    def test_keep_local(self):
        left, right = self.diverge("plan.txt", "other.txt")
        self.assertIn("settled", self.resolve(left, "plan.txt", "local"))
        self.arrives(right, "plan.txt", LOCAL)
        self.assertEqual([], self.copies(right, "plan"))
        self.assertTrue(self.in_history(left, "plan.txt", REMOTE))
        # One word is for one path.
        self.waits(right, "other.txt")
        self.assertEqual((LOCAL, REMOTE), (left.read("other.txt"), right.read("other.txt")))

    def test_keep_remote(self):
        left, right = self.diverge("d/plan.txt")
        self.resolve(left, "d/plan.txt", "remote")
        self.assertEqual(REMOTE, left.read("d/plan.txt"))
        self.assertTrue(self.in_trash(left, LOCAL))
        self.converge(left, right)
        self.none_listed(left.dir)

    def test_keep_both(self):
        left, right = self.diverge("plan.txt")
        self.resolve(left, "plan.txt", "both")
        self.converge(left, right)
        copy, = self.copies(right, "plan")
        self.assertEqual({LOCAL, REMOTE}, {right.read("plan.txt"), right.read(copy)})
        wait_until(lambda: {view["kind"] for view in self.listed(left.dir)} == {"copy"},
                   "only the copy is listed")

    def test_a_word_holds_once(self):
        left, right = self.diverge("plan.txt")
        self.resolve(left, "plan.txt", "local")
        self.converge(left, right)
        left.stop()
        right.stop()
        self.save(left, "plan.txt", LOCAL + b" again")
        self.save(right, "plan.txt", REMOTE + b" again")
        self.restart(right)
        left.start()
        self.waits(right, "plan.txt")
        self.assertEqual(LOCAL + b" again", left.read("plan.txt"))

    def test_what_one_side_deleted(self):
        self.folder = self.server()
        left = self.agent("L", self.folder, flags=("--conflict", "manual"))
        right = self.agent("R", self.folder)
        for path in ("a", "b", "c", "d", "beside"):
            self.save(left, path, b"base")
        self.converge(left, right)
        left.stop()
        right.stop()
        for path in ("a", "b"):
            self.save(left, path, LOCAL)
            self.remove(right, path)
        for path in ("c", "d"):
            self.remove(left, path)
            self.save(right, path, REMOTE)
        self.restart(right)
        left.start()
        self.waits(right, "a", "b", "c", "d")
        sides = {view["path"]: (view["local"]["type"], view["remote"]["type"])
                 for view in self.listed(right.dir)}
        self.assertEqual({"a": ("file", "tombstone"), "b": ("file", "tombstone"),
                          "c": ("tombstone", "file"), "d": ("tombstone", "file")}, sides)
        for path, keep in (("a", "local"), ("b", "remote"), ("c", "local"), ("d", "both")):
            self.resolve(left, path, keep)
        self.converge(left, right)
        self.assertEqual({"a": LOCAL, "beside": b"base", "d": REMOTE}, contents(right))
        self.kept_somewhere(left, "b", LOCAL)
        self.kept_somewhere(left, "c", REMOTE)

    def test_a_side_that_changed_meanwhile(self):
        left, right = self.diverge("plan.txt", "other.txt")
        right.write("plan.txt", REMOTE + b", and once more")
        left.write("other.txt", LOCAL + b", and once more here")
        wait_until(lambda: {view["path"]: (view["local"]["size"], view["remote"]["size"])
                            for view in self.listed(right.dir)} ==
                   {"plan.txt": (str(len(LOCAL)), str(len(REMOTE) + 15)),
                    "other.txt": (str(len(LOCAL) + 20), str(len(REMOTE)))},
                   "the records follow")
        self.resolve(left, "plan.txt", "local")
        self.resolve(left, "other.txt", "remote")
        self.converge(left, right)
        self.assertEqual((LOCAL, REMOTE), (left.read("plan.txt"), left.read("other.txt")))
        self.kept_somewhere(left, "plan.txt", REMOTE + b", and once more")
        self.kept_somewhere(left, "other.txt", LOCAL + b", and once more here")

    def test_settled_by_hand(self):
        left, right = self.diverge("plan.txt")
        left.write("plan.txt", REMOTE)
        self.converge(left, right)
        wait_until(lambda: self.listed(right.dir) == [], "nothing is held any more")

    def test_on_another_host_it_is_said_where(self):
        left, right = self.diverge("plan.txt")
        said = self.resolve(right, "plan.txt", "local", code=1)
        self.assertIn("is held by agent L", said)
        left.stop()
        wait_until(lambda: not self.listed(right.dir)[0].get("connected"), "L is gone")
        self.assertIn("agent L (offline)", self.resolve(right, "plan.txt", "local", code=1))
        self.assertIn("no conflict is held", self.resolve(right, "beside", "local", code=2))
        self.assertIn("no conflict is held", self.resolve(right, "nowhere/x", "both", code=2))

    def test_offline(self):
        left, right = self.diverge("plan.txt")
        self.folder.process.kill()
        wait_until(lambda: left.status()["state"].startswith("offline"), "L is offline")
        self.assertIn("can't be reached", self.resolve(left, "plan.txt", "local", code=5))
        self.folder.start()
        wait_until(lambda: not left.status()["state"].startswith("offline"), "L is back")
        self.resolve(left, "plan.txt", "local")
        self.arrives(right, "plan.txt", LOCAL)

    def test_wrong_usage(self):
        left, _ = self.diverge("plan.txt")
        self.assertEqual(2, run("resolve", left.path("plan.txt")).returncode)
        self.assertEqual(2, run("resolve", left.path("plan.txt"), "--keep", "mine").returncode)
        self.assertIn("no conflict copy", self.resolve(left, "plan.txt", "copy", code=2))
        result = run("resolve", os.path.join(self.base, "x"), "--keep", "local")
        self.assertEqual(2, result.returncode)
        self.assertIn("no synced directory", result.stderr)
        self.assertEqual(LOCAL, left.read("plan.txt"))


class AloneTest(ResolveTestCase):
    """No agent runs for the directory."""

    def held_and_stopped(self):
        left, right = self.diverge("a.txt", "b.txt", "c.txt", "d.txt")
        left.stop()
        return left, right

    def test_each_way_and_nothing_else(self):
        left, right = self.held_and_stopped()
        left.write("new.txt", "made while no agent ran")
        right.write("from-r.txt", "made on R")
        wait_until(right.in_sync, "R is in sync")
        for path, keep in (("a.txt", "local"), ("b.txt", "remote"), ("c.txt", "both")):
            self.resolve(left, path, keep)
        self.arrives(right, "a.txt", LOCAL)
        self.assertEqual(REMOTE, left.read("b.txt"))
        self.assertTrue(self.in_trash(left, LOCAL))
        copy, = self.copies(left, "c")
        self.arrives(right, copy, LOCAL)
        self.assertEqual(REMOTE, left.read("c.txt"))
        self.waits(right, "d.txt")
        self.assertIsNone(right.read("new.txt"))
        self.assertIsNone(left.read("from-r.txt"))
        # The next agent goes on where this was left.
        left.start()
        self.arrives(left, "from-r.txt", "made on R")
        self.arrives(right, "new.txt", "made while no agent ran")
        self.waits(right, "d.txt")
        self.resolve(left, "d.txt", "remote")
        self.converge(left, right)

    def test_what_is_not_held(self):
        left, right = self.held_and_stopped()
        self.assertIn("no conflict is held", self.resolve(left, "beside", "local", code=2))
        right.stop()
        self.assertIn("is held by agent L", self.resolve(right, "a.txt", "local", code=1))
        self.folder.process.kill()
        self.assertIn("can't be reached", self.resolve(left, "a.txt", "local", code=5))
        self.assertEqual(LOCAL, left.read("a.txt"))


class CopyTest(ResolveTestCase):
    """Conflict copies, which stand where both were kept."""

    def copied(self, *paths):
        left, right = self.diverge(*paths, flags=(), stopped=True)
        left.start()
        self.converge(left, right)
        return left, right

    def test_keep_name_and_keep_copy(self):
        left, right = self.copied("a.txt", "b.txt")
        a, = self.copies(right, "a")
        b, = self.copies(right, "b")
        for keep in ("local", "remote", "both"):
            self.assertIn("conflict copy", self.resolve(right, a, keep, code=2))
        # From any host: they are ordinary files.
        self.resolve(right, a, "name")
        self.resolve(right, b, "copy")
        self.converge(left, right)
        self.assertEqual({"a.txt": REMOTE, "b.txt": LOCAL, "beside": b"base"}, contents(left))
        self.assertTrue(self.in_trash(right, LOCAL))
        self.assertTrue(self.in_trash(right, REMOTE))
        self.assertTrue(self.in_history(left, a, LOCAL))
        self.assertTrue(self.in_history(left, "b.txt", REMOTE))
        self.none_listed(left.dir)

    def test_without_an_agent_and_without_what_stood_there(self):
        left, right = self.copied("a.txt")
        copy, = self.copies(left, "a")
        self.remove(right, "a.txt")
        self.converge(left, right)
        self.assertIn("--keep copy", self.resolve(left, copy, "name", code=1))
        left.stop()
        self.resolve(left, copy, "copy")
        self.arrives(right, "a.txt", LOCAL)
        wait_until(lambda: self.copies(right, "a") == [], "the copy is gone")


class AskTest(ResolveTestCase):
    """A one-shot run at a terminal."""

    def at_terminal(self, agent, keys, *flags):
        """What it printed and its exit code; each key is pressed when it asks."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(SYNCAGENT, [SYNCAGENT, "sync", "--server", agent.server, "--name", agent.name,
                                 *flags, agent.dir])
        text, asked, end = "", 0, time.monotonic() + 60
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                part = os.read(terminal, 4096)
            except OSError:
                break
            if not part:
                break
            text += part.decode("utf-8", "replace")
            while text.count("q(uit)?") > asked and keys:
                os.write(terminal, keys[:1].encode())
                keys, asked = keys[1:], asked + 1
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
        return text, os.waitstatus_to_exitcode(status)

    def test_asks_about_each(self):
        left, right = self.diverge("a.txt", "b.txt", "c.txt", "d.txt", stopped=True)
        # An unknown key is asked about again.
        text, code = self.at_terminal(left, "lxrbs", "--conflict", "manual")
        self.assertEqual(3, code, text)
        self.assertIn("conflict 1 of 4: a.txt", text)
        self.assertIn(f"local   file, {len(LOCAL)} B", text)
        self.assertRegex(text, f"remote  file, {len(REMOTE)} B, .*, by R")
        self.arrives(right, "a.txt", LOCAL)
        self.assertEqual(REMOTE, left.read("b.txt"))
        copy, = self.copies(left, "c")
        self.assertEqual((REMOTE, LOCAL), (left.read("c.txt"), left.read(copy)))
        self.assertEqual((LOCAL, REMOTE), (left.read("d.txt"), right.read("d.txt")))
        self.assertEqual({"d.txt"}, self.held(right.dir))

    def test_ends_in_sync_when_all_is_settled(self):
        left, right = self.diverge("a.txt", "b.txt", stopped=True)
        text, code = self.at_terminal(left, "lr", "--conflict", "manual")
        self.assertEqual(0, code, text)
        self.assertEqual((LOCAL, REMOTE), (left.read("a.txt"), left.read("b.txt")))
        self.arrives(right, "a.txt", LOCAL)

    def test_quit_leaves_the_rest(self):
        left, right = self.diverge("a.txt", "b.txt", stopped=True)
        text, code = self.at_terminal(left, "q", "--conflict", "manual")
        self.assertEqual(3, code, text)
        self.assertEqual({"a.txt", "b.txt"}, self.held(right.dir))

    def test_nobody_is_asked_without_a_terminal(self):
        left, _ = self.diverge("a.txt", stopped=True)
        result = self.sync(left, "--conflict", "manual")
        self.assertEqual(3, result.returncode)
        self.assertNotIn("q(uit)", result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
