"""What a person said of what is held is done, to what it was said of, and to nothing else."""
import os
import pwd
import shutil
import subprocess
import threading
import unittest

import harness
import outcomes
from harness import SYNCAGENT, wait_until
from outcomes import contents

FREE = ("--max-delete", "off")
COUNT = 60


class VerdictsTestCase(outcomes.OutcomesTestCase):
    def sides(self, count=COUNT):
        """Two sides with `count` texts that agree."""
        server = self.server()
        a, b = (self.agent(name, server, start=False) for name in "AB")
        for number in range(count):
            a.write(f"f-{number}", self.text(number))
        a.write("beside", "stays")
        self.synced(a)
        self.synced(b)
        return a, b

    def text(self, number):
        return f"a text, number {number}\n" * 10

    def tell(self, command, agent):
        result = subprocess.run([SYNCAGENT, command, agent.dir], capture_output=True, text=True,
                                check=False, timeout=30)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)

    def ends(self, agent, code, *flags):
        result = self.sync(agent, *flags)
        self.assertEqual(code, result.returncode, result.stdout[-2000:] + result.stderr[-2000:])

    def scramble(self, agent, count=COUNT):
        for number in range(count):
            agent.write(f"f-{number}", os.urandom(400))

    def remove(self, agent, count=COUNT):  # pylint: disable=arguments-renamed
        for number in range(count):
            os.unlink(agent.path(f"f-{number}"))


class UndoTest(VerdictsTestCase):
    def undone_while_away(self, a, b):
        """B undoes what A deleted, and can't carry it out yet."""
        self.synced(a, *FREE)
        self.ends(b, 4)
        b.start()
        wait_until(lambda: b.status().get("state", "").startswith("held"), "B holds")
        self.servers[0].process.stop()
        self.tell("undo", b)
        b.stop()
        self.servers[0].start()

    def test_of_files_that_directories_replaced(self):
        a, b = self.sides()
        self.remove(a)
        for number in range(COUNT):
            a.write(f"f-{number}/inside", f"inside {number}")
        self.ends(a, 4)
        self.tell("undo", a)
        self.ends(a, 0)
        self.synced(b)
        self.assertEqual(contents(a), contents(b))
        held = contents(b)
        for number in range(COUNT):
            self.assertEqual(self.text(number).encode(), held[f"f-{number}"])
        inside = [data for path, data in held.items() if path.endswith("/inside")]
        self.assertEqual({f"inside {number}".encode() for number in range(COUNT)}, set(inside))

    def test_of_files_that_symlinks_replaced(self):
        a, b = self.sides()
        self.remove(a)
        for number in range(COUNT):
            os.symlink("beside", a.path(f"f-{number}"))
        self.ends(a, 4)
        self.tell("undo", a)
        self.ends(a, 0)
        for number in range(COUNT):
            self.assertEqual(self.text(number).encode(), a.read(f"f-{number}"))

    def test_leaves_what_was_saved_since(self):
        a, b = self.sides()
        self.scramble(a)
        self.ends(a, 4)
        a.start()
        wait_until(lambda: a.status().get("state", "").startswith("held"), "A holds")
        self.servers[0].process.stop()
        self.tell("undo", a)
        for number in range(5):
            a.write(f"f-{number}", f"new and good {number}")
        self.servers[0].start()
        wait_until(a.in_sync, "A is through")
        a.stop()
        everywhere = list(contents(a).values())
        for number in range(5):
            self.assertIn(f"new and good {number}".encode(), everywhere)
            self.assertIn(self.text(number).encode(), everywhere)
        for number in range(5, COUNT):
            self.assertEqual(self.text(number).encode(), a.read(f"f-{number}"))
        self.synced(b)
        self.assertEqual(contents(a), contents(b))

    def test_holds_for_what_is_deleted_again(self):
        a, b = self.sides()
        self.remove(a)
        self.undone_while_away(a, b)
        for number in range(COUNT):
            a.write(f"f-{number}", self.text(number))
        self.synced(a)
        self.remove(a)
        self.synced(a, *FREE)
        self.ends(b, 0)
        for number in range(COUNT):
            self.assertEqual(self.text(number).encode(), b.read(f"f-{number}"))
        self.synced(a)
        self.assertEqual(contents(a), contents(b))

    def test_of_deletions_does_not_let_replacements_in(self):
        a, b = self.sides()
        self.remove(a)
        self.undone_while_away(a, b)
        self.scramble(a)
        self.synced(a, *FREE)
        # What comes now was not spoken of.
        self.ends(b, 4)
        for number in range(COUNT):
            self.assertEqual(self.text(number).encode(), b.read(f"f-{number}"))


class ForceTest(VerdictsTestCase):
    def test_download_asks_for_edits_of_what_did_not_change_there(self):
        a, b = self.sides(10)
        for number in range(10):
            a.write(f"f-{number}", f"edited {number}")
        b.write("f-0", "edited there")
        self.synced(b)
        self.ends(a, 4, "--force-download")
        for number in range(10):
            self.assertEqual(f"edited {number}".encode(), a.read(f"f-{number}"))
        self.tell("confirm", a)
        self.ends(a, 0)
        self.assertEqual(b"edited there", a.read("f-0"))
        for number in range(1, 10):
            self.assertEqual(self.text(number).encode(), a.read(f"f-{number}"))
        self.assertEqual(contents(a), contents(b))

    def test_upload_asks_for_what_is_replaced_by_something_else(self):
        a, b = self.sides()
        self.scramble(a)
        self.ends(a, 4, "--force-upload")
        self.synced(b)
        for number in range(COUNT):
            self.assertEqual(self.text(number).encode(), b.read(f"f-{number}"))
        self.tell("confirm", a)
        self.ends(a, 0)
        self.synced(b, *FREE)
        self.assertEqual(contents(a), contents(b))

    def test_of_a_part_lets_nothing_go_elsewhere(self):
        a, _ = self.sides()
        a.write("part/x", "x")
        self.synced(a)
        self.remove(a)
        self.ends(a, 4)
        a.write("part/y", "y")
        self.ends(a, 0, "--path", "part", "--force")
        self.ends(a, 4)
        self.assertIn("f-0", self.listed(a))
        self.assertIn("part/y", self.listed(a))


class BrakeTest(VerdictsTestCase):
    def test_symlinks_in_the_place_of_files_that_come_at_once(self):
        a, b = self.sides()
        self.remove(a)
        for number in range(COUNT):
            os.symlink("beside", a.path(f"f-{number}"))
        self.synced(a, *FREE)
        self.ends(b, 4)
        kept = [b.read(f"f-{number}") == self.text(number).encode() for number in range(COUNT)
                if not os.path.islink(b.path(f"f-{number}"))]
        self.assertGreaterEqual(kept.count(True), COUNT - 25)

    def test_what_was_taken_back_hurries_nothing(self):
        a, _ = self.sides(400)
        a.start()
        wait_until(a.in_sync, "A is in sync")
        data = a.read("beside")
        os.unlink(a.path("beside"))
        wait_until(lambda: a.status().get("state") != "in sync", "A has seen it", poll=0.005)
        a.write("beside", data)
        wait_until(a.in_sync, "A is in sync again")
        # As much later as deletions wait for more of them at most.
        threading.Event().wait(11)
        for number in range(400):
            os.unlink(a.path(f"f-{number}"))
            threading.Event().wait(0.004)
        wait_until(lambda: a.status().get("state", "").startswith("held"), "A holds")
        self.assertEqual("400", a.status()["heldDeletions"])


class FirstSyncTest(VerdictsTestCase):
    def test_ends_though_a_file_is_always_being_written(self):
        server = self.server()
        a, b = (self.agent(name, server, start=False) for name in "AB")
        b.write("there", "there")
        b.write("log", "of B\n")
        self.synced(b)
        a.write("log", "of A\n")
        with harness.always_written(a.path("log")):
            a.flags = ("--first-sync", "remote-wins", "--yes")
            a.start()
            self.arrives(a, "there", "there")
            # Meanwhile what is new here is not at the winner's; afterwards it is news.
            wait_until(lambda: self.stays(a), "what is saved here stays", 60, poll=1)

    def stays(self, agent):
        agent.write("saved-later", "news")
        try:
            wait_until(lambda: "saved-later" in self.listed(agent), "it arrives there", 3)
        except AssertionError:
            return False
        return agent.read("saved-later") == b"news"


class SubtreeTest(VerdictsTestCase):
    @unittest.skipIf(os.geteuid() != 0, "to be another user takes root")
    def test_ends_though_rules_changed_and_something_beside_it_can_not_be_listed(self):
        a, b = self.sides(1)
        nobody = pwd.getpwnam("nobody")
        os.chmod(self.base, 0o755)
        a.write("part/x", "x")
        os.mkdir(a.path("locked"), 0o000)
        for directory, _, files in os.walk(a.dir):
            for name in (".", *files):
                os.chown(os.path.join(directory, name), nobody.pw_uid, nobody.pw_gid,
                         follow_symlinks=False)
        # Not by subprocess: it would fork, which gRPC's threads here do not take well.
        command = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}",
                   "--clear-groups", SYNCAGENT, "sync", "--server", a.server, "--name", "A", "--path", "part", a.dir]
        for rules in ([], ["*.tmp"], ["*.o"]):
            self.ask("SetFolderRules", folder=a.folder, ignore=rules)
            result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                    text=True, check=False, timeout=60, cwd="/")
            self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        self.synced(b)
        self.assertEqual(b"x", b.read("part/x"))
        os.chmod(a.path("locked"), 0o755)
        shutil.rmtree(a.path("locked"))


if __name__ == "__main__":
    unittest.main()
