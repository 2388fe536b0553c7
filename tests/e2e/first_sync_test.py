"""The first sync: merged, or won by one side with a person's word, and nothing lost. Force: the
same later, whatever was agreed on before."""
import os
import pty
import select
import subprocess
import time
import unittest

import outcomes
from harness import SYNCAGENT, wait_until
from outcomes import contents, with_directories


class FirstSyncTestCase(outcomes.OutcomesTestCase):
    """L, with things of its own, meets a folder that R has filled."""

    LOCAL = {"only-l": b"of L", "dir-l/x": b"also of L", "alike": b"alike", "differs": b"local"}
    REMOTE = {"only-r": b"of R", "dir-r/x": b"also of R", "alike": b"alike",
              "differs": b"the remote one"}

    def sides(self, local, remote, folder="default"):
        server = self.servers[0] if self.servers else self.server()
        left, right = (self.agent(side + "-" + folder, server, start=False, folder=folder)
                       for side in "LR")
        for agent, files in ((left, local), (right, remote)):
            for path, data in files.items():
                self.save(agent, path, data)
        self.synced(right)
        return left, right

    def both_hold(self, left, right, files):
        self.synced(right)
        for agent in (left, right):
            self.assertEqual(with_directories(files), contents(agent), agent.name)


class FirstSyncTest(FirstSyncTestCase):
    def test_merge(self):
        for folder, flags in (("default", ()), ("named", ("--first-sync", "merge"))):
            with self.subTest(flags=flags):
                left, right = self.sides(self.LOCAL, self.REMOTE, folder)
                self.synced(left, *flags)
                self.synced(right)
                held = contents(left)
                self.assertEqual(held, contents(right))
                both = [held.pop(name) for name in list(held) if name.startswith("differs")]
                self.assertEqual([b"local", b"the remote one"], sorted(both))
                merged = {**self.LOCAL, **self.REMOTE}
                del merged["differs"]
                self.assertEqual(with_directories(merged), held)

    def test_merge_with_a_policy(self):
        left, right = self.sides(self.LOCAL, self.REMOTE)
        self.synced(left, "--conflict", "keep-local")
        self.both_hold(left, right, {**self.REMOTE, **self.LOCAL})

    def test_local_wins(self):
        left, right = self.sides(self.LOCAL, self.REMOTE)
        self.synced(left, "--first-sync", "local-wins", "--yes")
        self.both_hold(left, right, self.LOCAL)
        for path in ("only-r", "dir-r/x", "differs"):
            self.assertTrue(self.in_history(right, path, self.REMOTE[path]), path)
        # The first one only: from now on there is a base.
        self.save(right, "later", b"created at R")
        self.save(right, "differs", b"changed at R, later")
        self.synced(right)
        self.synced(left, "--first-sync", "local-wins", "--yes")
        self.both_hold(left, right, {**self.LOCAL, "later": b"created at R",
                                     "differs": b"changed at R, later"})

    def test_remote_wins(self):
        left, right = self.sides(self.LOCAL, self.REMOTE)
        self.synced(left, "--first-sync", "remote-wins", "--yes")
        self.both_hold(left, right, self.REMOTE)
        for path in ("only-l", "dir-l/x", "differs"):
            self.assertTrue(self.in_trash(left, self.LOCAL[path]) or
                            self.in_history(left, path, self.LOCAL[path]), path)
        self.save(left, "later", b"created at L")
        self.synced(left, "--first-sync", "remote-wins", "--yes")
        self.both_hold(left, right, {**self.REMOTE, "later": b"created at L"})

    def test_a_running_agent(self):
        left, right = self.sides(self.LOCAL, self.REMOTE)
        left.flags = ("--first-sync", "local-wins", "--yes")
        left.start()
        right.start()
        self.converge(left, right)
        self.assertEqual(with_directories(self.LOCAL), contents(right))

    def test_nothing_is_discarded_unasked(self):
        left, right = self.sides(self.LOCAL, self.REMOTE)
        for winner in ("local-wins", "remote-wins"):
            with self.subTest(winner):
                result = self.sync(left, "--first-sync", winner)
                self.assertNotEqual(0, result.returncode, result.stdout)
                self.synced(right)
                for agent, files in ((left, self.LOCAL), (right, self.REMOTE)):
                    held = contents(agent)
                    self.assertEqual(files, {path: held.get(path) for path in files}, agent.name)

    def test_nothing_to_discard_needs_no_consent(self):
        for winner, local, remote in (("local-wins", self.LOCAL, {"alike": b"alike"}),
                                      ("remote-wins", {}, self.REMOTE)):
            with self.subTest(winner):
                left, right = self.sides(local, remote, folder=winner)
                self.synced(left, "--first-sync", winner)
                self.both_hold(left, right, {**local, **remote})

class HeldFirstSyncTest(FirstSyncTestCase):
    """What a winner costs the other side waits for a person."""

    def tell(self, command, agent):
        result = subprocess.run([SYNCAGENT, command, agent.dir], capture_output=True, text=True,
                                check=False, timeout=30)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)

    def held(self, agent):
        return agent.status().get("state", "").startswith("held: confirmation needed")

    def at_a_terminal(self, agent, answer, *flags):
        """One shot; the exit code, and what was shown."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(SYNCAGENT, [SYNCAGENT, "sync", "--server", agent.server, "--folder",
                                 agent.folder, "--name", agent.name, *flags, agent.dir])
        output, answered, end = b"", False, time.monotonic() + 60
        try:
            while time.monotonic() < end:
                if select.select([terminal], [], [], 0.2)[0]:
                    try:
                        output += os.read(terminal, 65536)
                    except OSError:
                        break
                if b"[y/N]" in output and not answered:
                    os.write(terminal, answer)
                    answered = True
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output.decode()
        finally:
            os.close(terminal)

    def test_the_exit_code_says_that_it_is_held(self):
        for winner in ("local-wins", "remote-wins"):
            left, _ = self.sides(self.LOCAL, self.REMOTE, folder=winner)
            result = self.sync(left, "--first-sync", winner)
            self.assertEqual(4, result.returncode, result.stdout + result.stderr)
            # Without the flag nothing is decided either.
            result = self.sync(left)
            self.assertEqual(4, result.returncode, result.stdout + result.stderr)

    def test_confirmed_or_undone_while_no_agent_runs(self):
        left, right = self.sides(self.LOCAL, self.REMOTE)
        self.assertEqual(4, self.sync(left, "--first-sync", "local-wins").returncode)
        self.tell("confirm", left)
        self.synced(left, "--first-sync", "local-wins")
        self.both_hold(left, right, self.LOCAL)
        left, right = self.sides(self.LOCAL, self.REMOTE, folder="other")
        self.assertEqual(4, self.sync(left, "--first-sync", "remote-wins").returncode)
        self.tell("undo", left)
        self.synced(left)
        self.synced(right)
        held = contents(left)
        self.assertEqual(held, contents(right))
        for path, data in {**self.LOCAL, **self.REMOTE}.items():
            if path != "differs":
                self.assertEqual(data, held[path])
        self.assertEqual([b"local", b"the remote one"],
                         sorted(held[name] for name in held if name.startswith("differs")))

    def test_a_running_agent_waits(self):
        left, right = self.sides(self.LOCAL, self.REMOTE)
        left.flags = ("--first-sync", "remote-wins")
        left.start()
        wait_until(lambda: self.held(left), "L waits")
        self.assertEqual("3", left.status()["heldIncomingDeletions"])
        self.assertEqual("1", left.status()["heldIncomingReplacements"])
        # What is made meanwhile is ordinary work.
        left.write("made-l", b"made at L")
        right.start()
        self.arrives(right, "made-l", b"made at L")
        left.kill()
        left.start()
        wait_until(lambda: self.held(left), "L waits again")
        self.assertEqual(b"of L", left.read("only-l"))
        left.write("made-l-2", b"made at L")
        self.arrives(right, "made-l-2", b"made at L")
        self.tell("confirm", left)
        self.converge(left, right)
        self.assertEqual(with_directories({**self.REMOTE, "made-l": b"made at L",
                                           "made-l-2": b"made at L"}), contents(left))
        self.assertTrue(self.in_trash(left, b"of L"))

    def test_asked_at_a_terminal(self):
        left, right = self.sides(self.LOCAL, self.REMOTE)
        code, output = self.at_a_terminal(left, b"n\n", "--first-sync", "local-wins")
        self.assertEqual(4, code, output)
        self.assertIn("deletes 3 entries and replaces 1", output)
        self.synced(right)
        self.assertEqual(self.REMOTE["differs"], right.read("differs"))
        code, output = self.at_a_terminal(left, b"y\n", "--first-sync", "local-wins")
        self.assertEqual(0, code, output)
        self.both_hold(left, right, self.LOCAL)

    def test_a_mode_that_knows_the_winner_is_refused(self):
        left, _ = self.sides({}, {})
        result = self.sync(left, "--first-sync", "local-wins", "--mode", "sb")
        self.assertEqual(2, result.returncode)
        self.assertIn("--mode two-way", result.stderr)
        result = self.sync(left, "--first-sync", "both-win")
        self.assertEqual(2, result.returncode)
        self.assertIn("remote-wins", result.stderr)

    def test_state_that_was_lost_is_no_first_sync(self):
        left, right = self.sides(self.LOCAL, self.REMOTE)
        self.synced(left)
        with open(left.path(".syncagent/state.db"), "r+b") as file:
            file.write(b"damaged" * 1000)
        left.write("new", b"made at L")
        self.synced(left, "--first-sync", "remote-wins", "--yes")
        self.assertEqual(b"made at L", left.read("new"))
        self.synced(right)
        self.assertEqual(b"made at L", right.read("new"))


class ForceTest(FirstSyncTestCase):
    """One side wins once, whatever was agreed on before."""

    BEFORE = {"alike": b"alike", "l-edits": b"base", "r-edits": b"base", "both-edit": b"base",
              "l-deletes": b"base", "r-deletes": b"base", "dir/both": b"base"}
    LEFT = {"alike": b"alike", "l-edits": b"left", "r-edits": b"base", "both-edit": b"at left",
            "r-deletes": b"base", "dir/both": b"base", "l-makes": b"new", "l-dir/x": b"new"}
    RIGHT = {"alike": b"alike", "l-edits": b"base", "r-edits": b"right",
             "both-edit": b"at the right", "l-deletes": b"base", "dir/both": b"base",
             "r-makes": b"new", "r-dir/x": b"new"}

    def parted(self, folder="default"):
        left, right = self.sides({}, self.BEFORE, folder=folder)
        self.synced(left)
        for agent, files in ((left, self.LEFT), (right, self.RIGHT)):
            for path in self.BEFORE.keys() - files.keys():
                os.unlink(agent.path(path))
            for path, data in files.items():
                if agent.read(path) != data:
                    self.save(agent, path, data)
        self.synced(right)
        return left, right

    def test_upload(self):
        left, right = self.parted()
        self.synced(left, "--force-upload", "--yes")
        self.both_hold(left, right, self.LEFT)
        for path in ("r-edits", "both-edit", "r-makes", "r-dir/x"):
            self.assertTrue(self.in_history(right, path, self.RIGHT[path]), path)
        # Once.
        self.save(right, "later", b"at R")
        self.synced(right)
        self.synced(left)
        self.both_hold(left, right, {**self.LEFT, "later": b"at R"})

    def test_download(self):
        left, right = self.parted()
        self.synced(left, "--force-download", "--yes")
        self.both_hold(left, right, self.RIGHT)
        for path in ("l-edits", "both-edit", "l-makes"):
            self.assertTrue(self.in_trash(left, self.LEFT[path]), path)

    def test_what_a_backup_did_not_act_on(self):
        left, right = self.parted()
        self.synced(left, "--mode", "destination-backup")
        self.assertEqual(b"base", left.read("r-deletes"))
        self.synced(left, "--mode", "destination-backup", "--force-download", "--yes")
        self.both_hold(left, right, self.RIGHT)
        left, right = self.parted("other")
        self.synced(left, "--mode", "source-backup")
        self.synced(left, "--mode", "source-backup", "--force-upload", "--yes")
        self.both_hold(left, right, self.LEFT)

    def test_unasked(self):
        for number, flag in enumerate(("--force-upload", "--force-download")):
            left, right = self.parted(f"folder-{number}")
            result = self.sync(left, flag)
            self.assertEqual(4, result.returncode, result.stdout + result.stderr)
            self.synced(right)
            self.assertEqual(b"new", right.read("r-makes"))
            self.assertEqual(b"new", left.read("l-makes"))
            self.assertEqual(b"at left", left.read("both-edit"))
            self.assertEqual(b"at the right", right.read("both-edit"))

    def test_an_emptied_directory_uploads_nothing(self):
        left, right = self.parted()
        for path in list(contents(left)):
            if os.path.exists(left.path(path)):
                self.remove(left, path)
        result = self.sync(left, "--force-upload", "--yes")
        self.assertEqual(7, result.returncode, result.stdout + result.stderr)
        self.synced(right)
        self.assertEqual(with_directories(self.RIGHT), contents(right))

    def test_only_one_side_and_only_once(self):
        left, _ = self.sides({}, {})
        self.assertEqual(2, self.sync(left, "--force-upload", "--force-download").returncode)
        result = subprocess.run([SYNCAGENT, "run", "--force-upload", left.dir],
                                capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual(2, result.returncode)


if __name__ == "__main__":
    unittest.main()
