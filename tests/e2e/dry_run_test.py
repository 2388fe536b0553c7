"""A dry run shows exactly what a run then does, and changes nothing anywhere."""
import concurrent.futures
import contextlib
import hashlib
import json
import os
import random
import re
import sqlite3
import subprocess
import unittest

import grpc

import harness
import outcomes
import random_trees
from harness import SYNCAGENT, wait_until
from metadata_test import takes_xattrs

PAIRS = 100  # each is looked at twice
WORKERS = 6
MODES = ("two-way",) * 6 + ("source-to-destination", "source-backup", "destination-to-source",
                            "destination-backup")
POLICIES = ("keep-both", "keep-both", "newest", "keep-local", "keep-remote", "manual")
# The copy's name holds the moment of the run.
COPY = re.compile(r"\.conflict-\d{8}-\d{6}-A(-\d+)?")
# Of a directory and what is in it, either may be received first.
SAME_REASONS = {"needed for what is in it": "new there"}


def fingerprint(root):
    """Everything in a directory, the agent's own included: times, modes, bytes."""
    found = {}
    for directory, directories, files in os.walk(root):
        for name in [".", *directories, *files]:
            path = os.path.join(directory, name)
            info = os.lstat(path)
            what = ""
            if os.path.islink(path):
                what = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    what = hashlib.sha256(file.read()).hexdigest()
            found[os.path.normpath(os.path.relpath(path, root))] = (
                info.st_mode, info.st_ino, info.st_mtime_ns, info.st_ctime_ns, info.st_size, what)
    return found


def run(command, directory, server, folder, *flags):
    result = subprocess.run(
        [SYNCAGENT, *command, "--server", server, "--folder", folder, *flags, directory],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120)
    return result


def actions(result):
    """What a report lists: (kind, path, to, bytes, reason)."""
    report = json.loads(result.stdout)
    listed = []
    for location in report["locations"]:
        for action in location.get("actions", ()):
            action = {**action, "reason": SAME_REASONS.get(action.get("reason"),
                                                           action.get("reason", ""))}
            listed.append(tuple(COPY.sub(".conflict", str(action.get(key, "")))
                                for key in ("kind", "path", "to", "sizeBytes", "reason")))
    return sorted(listed)


class DryRunTestCase(outcomes.OutcomesTestCase):
    def look(self, folder):
        """What the server says of a folder; nothing when there is none."""
        try:
            listed = self.ask("ListEntries", folder=folder, page_size=1000, include_deleted=True)
            head = self.ask("GetFolder", folder=folder).folder
        except grpc.RpcError as error:
            self.assertEqual(grpc.StatusCode.NOT_FOUND, error.code())
            return None
        agents = self.ask("ListAgents", folder=folder).agents
        return (head.head_version, head.entries, head.bytes, [str(view) for view in listed.entries],
                sorted((agent.name, agent.id) for agent in agents))

    def planned(self, directory, folder, *flags):
        """A dry run, which must change nothing."""
        before = fingerprint(directory)
        there = self.look(folder)
        result = run(("sync", "--dry-run", "--json"), directory, self.servers[0].address, folder,
                     *flags)
        self.assertEqual(before, fingerprint(directory), result.stderr)
        self.assertEqual(there, self.look(folder), result.stderr)
        self.assertTrue(json.loads(result.stdout)["dryRun"], result.stderr)
        return result

    def agree(self, directory, folder, *flags):
        """A dry run and then the run: the same actions, the same end."""
        plan = self.planned(directory, folder, *flags)
        done = run(("sync", "--json"), directory, self.servers[0].address, folder, *flags)
        self.assertEqual(actions(plan), actions(done), plan.stderr + done.stderr)
        self.assertEqual(plan.returncode, done.returncode, plan.stderr + done.stderr)
        return actions(done), done.returncode


class RandomStatesTest(DryRunTestCase):
    maxDiff = None

    def pair(self, number, seed):
        draw = random.Random(seed)
        folder = f"folder-{number}"
        a = os.path.join(self.base, f"{number}", "a")
        b = os.path.join(self.base, f"{number}", "b")
        here = random_trees.Changer(a, draw, "A")
        there = random_trees.Changer(b, draw, "B")
        os.makedirs(a)
        os.makedirs(b)
        address = self.servers[0].address
        here.make(draw.randrange(14))
        if draw.random() < 0.8:
            # What both agree on.
            run(("sync",), a, address, folder, "--name", "A")
        else:
            there.make(draw.randrange(10))
        run(("sync",), b, address, folder, "--name", "B")
        kinds = set()
        for _ in range(2):
            for _ in range(draw.randrange(8)):
                here.change()
            for _ in range(draw.randrange(8)):
                there.change()
            run(("sync",), b, address, folder, "--name", "B", "--max-delete", "off")
            flags = ["--name", "A", "--mode", draw.choice(MODES), "--conflict",
                     draw.choice(POLICIES), "--max-delete", draw.choice(("50%", "2", "off"))]
            if draw.random() < 0.2:
                flags += ["--ignore", draw.choice(random_trees.NAMES)]
            if draw.random() < 0.1:
                flags += ["--include", "a"]
            try:
                done, code = self.agree(a, folder, *flags)
            except AssertionError as error:
                raise AssertionError(f"pair {number}, seed {seed}, {flags}: {error}") from None
            kinds |= {action[0] for action in done} | {code}
        return kinds

    def test_what_it_shows_is_what_the_run_does(self):
        master = harness.seed()
        only = os.environ.get("FILESYNC_PAIR_SEED")
        seeds = [int(only)] if only else [master.randrange(1 << 32) for _ in range(PAIRS)]
        self.server()
        seen, wrong = set(), []
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as workers:
            for future in [workers.submit(self.pair, *item) for item in enumerate(seeds)]:
                try:
                    seen |= future.result()
                except Exception as error:  # pylint: disable=broad-except
                    wrong.append(str(error))
        self.assertEqual("", "\n".join(wrong[:5]), f"{len(wrong)} of {len(seeds)} pairs")
        if not only:
            # Nothing that can happen was left out.
            kinds = ("SEND", "RECEIVE", "DELETE_THERE", "DELETE_HERE", "MOVE_THERE", "MOVE_HERE",
                     "CONFLICT", "HOLD")
            self.assertLessEqual({"ACTION_KIND_" + kind for kind in kinds} | {0, 3, 4}, seen)


class DryRunTest(DryRunTestCase):
    """What the random states do not show."""

    def sync(self, agent, *flags, env=None):
        result = super().sync(agent, *flags, env=env)
        self.assertEqual(0, result.returncode, result.stderr)
        return result

    def dry(self, agent, *flags):
        return subprocess.run(
            [SYNCAGENT, "sync", "--dry-run", "--server", agent.server, "--folder", agent.folder,
             "--name", agent.name, *flags, agent.dir], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=60)

    def test_nothing_is_made_of_what_was_never_synced(self):
        server = self.server()
        a = self.agent("A", server, start=False, folder="new")
        a.write("d/large", os.urandom(3 << 20))
        a.write("small", "x" * 10)
        chunks = server.metric("filesync_chunks_stored_total")
        self.planned(a.dir, "new", "--name", "A")
        self.assertEqual(["d", "small"], sorted(os.listdir(a.dir)))
        self.assertEqual(0, len(self.ask("ListFolders").folders))
        self.assertEqual(chunks, server.metric("filesync_chunks_stored_total"))
        result = self.dry(a)
        self.assertEqual(["would send d: new here", "would send d/large (3.0 MiB): new here",
                          "would send small (10 B): new here",
                          "dry run, nothing was done: 3 to send (3.0 MiB); it would end: in sync"],
                         result.stdout.splitlines(), result.stderr)
        self.assertEqual(0, result.returncode)

    def test_what_a_run_prints_is_what_was_shown(self):
        server = self.server()
        a = self.agent("A", server, start=False)
        b = self.agent("B", server, start=False)
        for name in ("old/x", "old/y", "edited", "gone"):
            a.write(name, name)
        self.sync(a)
        self.sync(b)
        os.rename(b.path("old"), b.path("new"))
        os.unlink(b.path("gone"))
        self.sync(b)
        a.write("edited", "anew")
        wanted = {"moved here old -> new", "moved here old/x -> new/x", "moved here old/y -> new/y",
                  "deleted here gone", "sent edited"}
        shown = {line.split(":")[0].replace("would move", "moved").replace("would delete", "deleted")
                 .replace("would send", "sent").replace(" (4 B)", "")
                 for line in self.dry(a).stdout.splitlines()[:-1]}
        self.assertEqual(wanted, shown)
        printed = {line.split(" ", 1)[1] for line in self.sync(a).stdout.splitlines()}
        self.assertLessEqual(wanted, printed)

    def test_it_stands_beside_a_running_agent(self):
        server = self.server()
        a = self.agent("A", server)
        b = self.agent("B", server, start=False)
        a.write("one", "1")
        wait_until(a.in_sync, "A is in sync")
        self.sync(b)
        result = self.dry(a)
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIn("nothing to do", result.stdout)
        # It took neither the lock nor the agent's session.
        subprocess.run([SYNCAGENT, "pause", a.dir], check=True, timeout=30)
        wait_until(lambda: a.status()["state"] == "paused", "A is paused")
        a.write("two", "22")
        b.write("three", "333")
        self.sync(b)
        result = self.dry(a)
        self.assertEqual(["would receive three (3 B): new there", "would send two (2 B): new here"],
                         result.stdout.splitlines()[:-1], result.stderr)
        subprocess.run([SYNCAGENT, "resume", a.dir], check=True, timeout=30)
        self.arrives(a, "three", "333")
        wait_until(a.in_sync, "A is in sync")
        self.assertNotIn("replaced by a newer session", a.process.output())

    def test_it_works_on_what_a_killed_agent_left(self):
        server = self.server()
        a = self.agent("A", server)
        b = self.agent("B", server, start=False)
        for number in range(20):
            a.write(f"file-{number}", "x" * number)
        wait_until(a.in_sync, "A is in sync")
        a.kill()
        self.assertTrue(os.path.exists(a.path(".syncagent/state.db-wal")))
        self.sync(b)
        os.unlink(b.path("file-7"))
        self.sync(b)
        done, code = self.agree(a.dir, "default", "--name", "A")
        self.assertEqual([("ACTION_KIND_DELETE_HERE", "file-7", "", "", "deleted there")], done)
        self.assertEqual(0, code)

    def test_full_reads_what_looks_unchanged(self):
        server = self.server()
        a = self.agent("A", server, start=False)
        for name in ("damaged", "fine"):
            a.write(name, name)
        self.sync(a)
        a.write("damaged", "DAMAGED")
        # As it is after a write that left no trace in its times.
        info = os.stat(a.path("damaged"))
        with contextlib.closing(sqlite3.connect(a.path(".syncagent/state.db"))) as state, state:
            state.execute("UPDATE base SET local_ctime = ?, local_mtime = ?, local_size = ? "
                          "WHERE path = ?", (info.st_ctime_ns, info.st_mtime_ns, info.st_size,
                                             b"damaged"))
        flags = ("--name", "A")
        self.assertEqual(([], 0), self.agree(a.dir, a.folder, *flags))
        changed = [("ACTION_KIND_SEND", "damaged", "", "7", "changed here")]
        self.assertEqual((changed, 0), self.agree(a.dir, a.folder, *flags, "--full"))
        self.assertEqual(([], 0), self.agree(a.dir, a.folder, *flags, "--full"))
        self.assertEqual(([], 0), self.agree(a.dir, a.folder, *flags))

    def test_owners_and_attributes_show_as_in_a_run(self):
        if not takes_xattrs(self.base):
            self.skipTest("needs a file system with extended attributes")
        server = self.server()
        a = self.agent("A", server, start=False)
        b = self.agent("B", server, start=False)
        preserve = ("--name", "A", "--preserve", "owner,xattr")
        os.mkdir(a.path("dir"))
        for name in ("there", "here", "both", "edited", "dir/moved", "plain"):
            a.write(name, name)
        os.setxattr(a.path("here"), "user.from-the-start", b"1")
        self.sync(a)
        self.sync(b, *preserve[2:])
        # What it is to look at from now on was not looked at before.
        self.assertIn(("ACTION_KIND_SEND", "here", "", "", "metadata changed here"),
                      self.agree(a.dir, a.folder, *preserve)[0])
        self.assertEqual(([], 0), self.agree(a.dir, a.folder, *preserve))
        self.sync(b, *preserve[2:])
        for agent, names in ((a, ("here", "both")), (b, ("there", "both", "edited", "dir"))):
            for name in names:
                os.setxattr(agent.path(name), "user.of", agent.name.encode())
        b.write("edited", "with other bytes")
        b.write("new", "with attributes")
        os.setxattr(b.path("new"), "user.of", b"B")
        os.rename(b.path("dir"), b.path("renamed"))
        os.setxattr(b.path("renamed/moved"), "user.of", b"B")
        if os.geteuid() == 0:
            os.chown(b.path("plain"), 54321, 54322)
        self.sync(b, *preserve[2:])
        without = {path for _, path, *_ in actions(self.planned(a.dir, a.folder, "--name", "A"))}
        self.assertNotIn("here", without)
        done, code = self.agree(a.dir, a.folder, *preserve)
        self.assertEqual(0, code)
        listed = {(kind, path) for kind, path, *_ in done}
        expected = {("RECEIVE", "there"), ("SEND", "here"), ("RECEIVE", "edited"),
                    ("RECEIVE", "new"), ("MOVE_HERE", "dir"), ("MOVE_HERE", "dir/moved")}
        if os.geteuid() == 0:
            expected.add(("RECEIVE", "plain"))
        self.assertLessEqual({("ACTION_KIND_" + kind, path) for kind, path in expected}, listed)
        self.assertEqual(b"B", os.getxattr(a.path("renamed/moved"), "user.of"))
        self.assertEqual(([], 0), self.agree(a.dir, a.folder, *preserve))

    def test_it_ends_as_the_run_would(self):
        port = harness.free_port()
        a = self.agent("A", f"127.0.0.1:{port}", start=False)
        a.write("x", "y")
        result = self.dry(a)
        self.assertEqual(5, result.returncode, result.stdout)
        self.assertIn("onnect", result.stderr)
        self.assertEqual(["x"], os.listdir(a.dir))
        result = self.dry(self.agent("B", a.server, start=False, directory=a.path("none")),
                          "--mode", "nonsense")
        self.assertEqual(2, result.returncode)
        os.rmdir(a.path("none"))
        result = subprocess.run([SYNCAGENT, "sync", "--dry-run", a.path("none")],
                                capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual(2, result.returncode)
        self.assertIn("does not exist", result.stderr)

    def test_an_emptied_directory_and_a_held_set_are_said(self):
        server = self.server()
        a = self.agent("A", server, start=False)
        for number in range(60):
            a.write(f"d/{number}", str(number))
        self.sync(a)
        for number in range(40):
            os.unlink(a.path(f"d/{number}"))
        result = self.dry(a)
        self.assertEqual(4, result.returncode, result.stdout + result.stderr)
        self.assertIn("would hold d/7: deleted here", result.stdout)
        self.assertIn("dry run, nothing was done: 40 held; it would end: held", result.stdout)
        random_trees.remove(a.path("d"))
        result = self.dry(a)
        self.assertEqual(7, result.returncode, result.stdout + result.stderr)
        self.assertIn("was emptied", result.stderr)

    def held(self, *reasons):
        return [("ACTION_KIND_HOLD", path, "", "", reason + ": waits for a confirmation")
                for path, reason in reasons]

    def test_what_comes_and_would_be_held_shows_as_held(self):
        server = self.server()
        a = self.agent("A", server, start=False)
        b = self.agent("B", server, start=False)
        for number in range(20):
            a.write(f"file-{number:02}", f"content {number}\n" * 30)
        a.write("large", os.urandom(1 << 20))
        self.sync(a)
        self.sync(b)
        for number in range(5):
            os.unlink(b.path(f"file-{number:02}"))
        for name in ("file-05", "file-06", "file-08"):
            b.write(name, os.urandom(500))  # as if encrypted
        b.write("large", os.urandom(1 << 20))
        b.write("file-07", "an edit\n" * 30)
        self.sync(b, "--max-delete", "off")
        done, code = self.agree(a.dir, a.folder, "--name", "A", "--max-delete", "3")
        expected = self.held(*((f"file-{number:02}", "deleted there, 1 of 9 entries")
                               for number in range(5)),
                             *((name, "replaced there by something else")
                               for name in ("file-05", "file-06", "file-08", "large")))
        expected.append(("ACTION_KIND_RECEIVE", "file-07", "", "240", "changed there"))
        self.assertEqual((sorted(expected), 4), (done, code))
        # It stays so, and no dry run decides anything.
        again = self.agree(a.dir, a.folder, "--name", "A", "--max-delete", "3")
        self.assertEqual((sorted(expected[:-1]), 4), again)
        done, code = self.agree(a.dir, a.folder, "--name", "A", "--max-delete", "off")
        self.assertEqual(0, code)
        self.assertEqual(9, len(done))

    def test_what_is_replaced_here_and_would_be_held(self):
        server = self.server()
        a = self.agent("A", server, start=False)
        for number in range(10):
            a.write(f"file-{number}", f"content {number}\n" * 30)
        self.sync(a)
        for number in range(5):
            a.write(f"file-{number}", os.urandom(500))
        limit = ("--name", "A", "--max-delete", "3")
        expected = self.held(*((f"file-{number}", "replaced here by something else")
                               for number in range(5)))
        self.assertEqual((expected, 4), self.agree(a.dir, a.folder, *limit))
        done, code = self.agree(a.dir, a.folder, "--name", "A", "--max-delete", "off")
        self.assertEqual((5, 0), (len(done), code))

    def test_what_one_side_wins(self):
        server = self.server()
        for number, flags in enumerate((("--first-sync", "local-wins"),
                                        ("--first-sync", "remote-wins"), ("--force-upload",),
                                        ("--force-download",))):
            with self.subTest(flags=flags):
                folder = f"folder-{number}"
                a = self.agent(f"A{number}", server, start=False, folder=folder)
                b = self.agent(f"B{number}", server, start=False, folder=folder)
                if "first" not in flags[0]:
                    self.sync(a)
                for agent in (a, b):
                    agent.write("both", f"of {agent.name}, " + "x" * number)
                    agent.write(f"only-{agent.name}", "1")
                self.sync(b)
                flags = ("--name", a.name, *flags)
                done, code = self.agree(a.dir, folder, *flags)
                self.assertEqual(4, code)
                self.assertLessEqual({"ACTION_KIND_HOLD"}, {action[0] for action in done})
                done, code = self.agree(a.dir, folder, *flags, "--yes")
                self.assertEqual((2, 0), (len(done), code), done)


if __name__ == "__main__":
    unittest.main()
