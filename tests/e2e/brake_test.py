"""The brake: a mass deletion waits for a person, renames do not count, and nothing else waits."""
import os
import subprocess
import unittest

import harness
from harness import SYNCAGENT, wait_until


class BrakeTest(harness.SyncTestCase):
    COUNT = 100

    def tell(self, command, agent):
        return subprocess.run([SYNCAGENT, command, agent.dir], capture_output=True, text=True,
                              check=False, timeout=30)

    def filled(self, *flags):
        """A, and B which follows whatever A passes on."""
        self.hub = self.server(name=f"server-{len(self.agents)}")
        a = self.agent(f"A{len(self.agents)}", self.hub, flags=flags)
        b = self.agent(f"B{len(self.agents)}", self.hub, flags=("--max-delete", "off"))
        for number in range(self.COUNT):
            a.write(f"dir-{number % 5}/file-{number}", f"content {number}")
        self.converge(a, b)
        return a, b

    def held(self, agent):
        return agent.status().get("state", "").startswith("held: confirmation needed")

    def delete(self, agent, numbers):
        for number in numbers:
            os.unlink(agent.path(f"dir-{number % 5}/file-{number}"))

    def there(self, agent):
        return sum(os.path.exists(agent.path(f"dir-{number % 5}/file-{number}"))
                   for number in range(self.COUNT))

    def test_held_then_undone(self):
        a, b = self.filled()
        self.delete(a, range(60))
        wait_until(lambda: self.held(a), "A holds the deletions")
        self.assertEqual("60", a.status()["heldDeletions"])
        # The rest goes on, both ways.
        a.write("new-a", "1")
        b.write("dir-0/file-99", "edited")
        self.arrives(b, "new-a", "1")
        self.assertEqual(self.COUNT, self.there(b))
        wait_until(lambda: self.held(a), "A still holds them")
        self.assertEqual(0, self.tell("undo", a).returncode)
        wait_until(lambda: self.there(a) == self.COUNT, "everything is back")
        self.converge(a, b)
        self.assertEqual(self.COUNT, self.there(b))
        self.assertEqual(b"content 7", a.read("dir-2/file-7"))
        self.assertEqual(1, self.tell("undo", a).returncode)

    def test_held_then_confirmed(self):
        a, b = self.filled()
        self.delete(a, range(60))
        wait_until(lambda: self.held(a), "A holds the deletions")
        # Held after a restart as well.
        a.stop()
        a.start()
        wait_until(lambda: self.held(a), "A holds the deletions again")
        self.assertEqual(self.COUNT, self.there(b))
        self.assertEqual(0, self.tell("confirm", a).returncode)
        wait_until(lambda: self.there(b) == 40, "they are deleted at B")
        self.converge(a, b)

    def test_whole_trees_count_with_all_that_is_in_them(self):
        a, b = self.filled()
        aside = os.path.join(self.base, "aside")
        os.mkdir(aside)
        for number in range(3):  # 60 of 100 files
            os.rename(a.path(f"dir-{number}"), os.path.join(aside, f"dir-{number}"))
        wait_until(lambda: self.held(a), "A holds the deletions")
        self.assertEqual("63", a.status()["heldDeletions"])
        self.assertEqual(self.COUNT, self.there(b))
        # Put back by hand: nothing is held any more.
        for number in range(3):
            os.rename(os.path.join(aside, f"dir-{number}"), a.path(f"dir-{number}"))
        wait_until(a.in_sync, "A is in sync")
        self.converge(a, b)
        self.assertEqual(self.COUNT, self.there(b))

    def test_moving_everything_is_no_deletion(self):
        for stopped in (False, True):
            with self.subTest(stopped=stopped):
                a, b = self.filled()
                if stopped:
                    a.stop()
                os.mkdir(a.path("below"))
                for number in range(5):
                    os.rename(a.path(f"dir-{number}"), a.path(f"below/dir-{number}"))
                if stopped:
                    a.start()
                self.arrives(b, "below/dir-0/file-95", "content 95")
                self.converge(a, b)
                self.assertEqual(0, self.there(b))
                self.assertNotIn("confirm", a.process.output())

    def test_half_goes_through_and_so_does_what_is_allowed(self):
        a, b = self.filled()
        self.delete(a, range(50))
        wait_until(lambda: self.there(b) == 50, "half of it is deleted at B")
        self.converge(a, b)
        a, b = self.filled("--max-delete", "off")
        self.delete(a, range(90))
        wait_until(lambda: self.there(b) == 10, "90 % are deleted at B")
        a, b = self.filled("--max-delete", "3")
        self.delete(a, range(4))
        wait_until(lambda: self.held(a), "A holds four")

    def test_what_is_deleted_bit_by_bit_is_one_act(self):
        a, b = self.filled()
        for begin in (0, 20):
            self.delete(a, range(begin, begin + 20))
            wait_until(lambda gone=begin + 20: self.there(b) == self.COUNT - gone, "they go")
        self.delete(a, range(40, 60))
        wait_until(lambda: self.held(a), "A holds the rest")
        self.assertEqual(60, self.there(b))
        self.assertEqual(0, self.tell("confirm", a).returncode)
        wait_until(lambda: self.there(b) == 40, "they are deleted at B")

    def test_what_is_made_again_does_not_count(self):
        a, b = self.filled()
        for _ in range(4):
            self.delete(a, range(40))
            wait_until(lambda: self.there(b) == 60, "they go")
            for number in range(40):
                a.write(f"dir-{number % 5}/file-{number}", f"content {number}")
            wait_until(lambda: self.there(b) == self.COUNT, "they come again")
        self.converge(a, b)
        self.assertNotIn("confirm", a.process.output())

    def test_a_kill_during_undo_loses_nothing(self):
        a, b = self.filled()
        self.delete(a, range(60))
        wait_until(lambda: self.held(a), "A holds the deletions")
        self.assertEqual(0, self.tell("undo", a).returncode)
        a.kill()
        a.start()
        wait_until(lambda: a.in_sync() or self.held(a), "A is through")
        self.assertEqual(self.COUNT, self.there(b))
        if self.held(a):  # it was killed before it had noted the undo
            self.assertEqual(0, self.tell("undo", a).returncode)
        wait_until(lambda: self.there(a) == self.COUNT, "everything is back")
        self.converge(a, b)

    def test_one_shot_runs_say_so_by_their_exit_code(self):
        a, b = self.filled()
        a.stop()
        self.delete(a, range(60))
        result = subprocess.run([SYNCAGENT, "sync", "--server", a.server, a.dir],
                                capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(4, result.returncode, result.stdout + result.stderr)
        self.assertEqual(self.COUNT, self.there(b))

    def test_an_empty_mirror_does_not_empty_the_folder(self):
        a, b = self.filled()
        s = self.agent("S", self.hub, flags=("--mode", "source-to-destination"))
        wait_until(lambda: self.held(s), "S holds the deletions")
        self.assertEqual(self.COUNT, self.there(a))
        self.assertEqual(0, self.tell("undo", s).returncode)
        wait_until(lambda: self.there(s) == self.COUNT, "S has it all")
        self.converge(a, b, s)

    def test_wrong_limits_are_refused(self):
        for value in ("half", "-1", "101%", ""):
            result = subprocess.run([SYNCAGENT, "--max-delete", value, self.base],
                                    capture_output=True, text=True, check=False, timeout=30)
            self.assertEqual(2, result.returncode, value)
            self.assertIn("--max-delete", result.stderr)


if __name__ == "__main__":
    unittest.main()
