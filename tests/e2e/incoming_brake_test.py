"""The brake for what comes from the folder, and for files that are replaced by something else:
each receiver holds on its own, nothing else waits, and a person's word decides."""
import os
import subprocess
import unittest

import harness
from harness import SYNCAGENT, wait_until

FREE = ("--max-delete", "off")
# What goes before it can be told that more follows.
FEW = 3


class HoldingTestCase(harness.SyncTestCase):
    COUNT = 100

    def tell(self, command, agent):
        result = subprocess.run([SYNCAGENT, command, agent.dir], capture_output=True, text=True,
                                check=False, timeout=30)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)

    def name(self, number):
        return f"dir-{number % 5}/file-{number}"

    def content(self, number):
        return f"content {number}\n" * 20

    def filled(self, receivers=1, flags=FREE):
        """A, which passes on whatever happens to it, and agents that receive it."""
        self.hub = self.server()
        a = self.agent("A", self.hub, flags=flags)
        others = [self.agent(f"B{number}", self.hub) for number in range(receivers)]
        for number in range(self.COUNT):
            a.write(self.name(number), self.content(number))
        self.converge(a, *others)
        return a, *others

    def held(self, agent):
        return agent.status().get("state", "").startswith("held: confirmation needed")

    def holds(self, agent, **expected):
        """As many are held as expected, but for the very first, which may have gone alone."""
        def as_expected():
            status = agent.status()
            found = {name: int(status.get(name, 0)) for name in expected}
            return self.held(agent) and all(count - FEW <= found[name] <= count
                                            for name, count in expected.items())
        wait_until(as_expected, f"{agent.name} holds {expected}: {agent.status()}")

    def all_held(self, agent):
        """All but the very first, which may have come alone, are held; how many are still there."""
        wait_until(lambda: self.held(agent), f"{agent.name} holds")
        there = self.there(agent)
        self.assertGreaterEqual(there, self.COUNT - FEW)
        return there

    def delete(self, agent, numbers):
        for number in numbers:
            os.unlink(agent.path(self.name(number)))

    def there(self, agent):
        """How many of the files are what they were."""
        return sum(agent.read(self.name(number)) == self.content(number).encode()
                   for number in range(self.COUNT))

    def scramble(self, agent, numbers, suffix="", in_place=True):
        for number in numbers:
            path = agent.path(self.name(number))
            if in_place:
                with open(path, "r+b") as file:
                    file.write(os.urandom(400))
                if suffix:
                    os.rename(path, path + suffix)
            else:
                with open(path + suffix, "wb") as file:
                    file.write(os.urandom(400))
                os.unlink(path)

    def in_trash(self, agent):
        return {self.read(os.path.join(directory, name))
                for directory, _, names in os.walk(agent.path(".syncagent/trash"))
                for name in names}

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()


class IncomingDeletionsTest(HoldingTestCase):
    def test_held_then_confirmed_by_each(self):
        a, b, c = self.filled(receivers=2)
        self.delete(a, range(60))
        for agent in (b, c):
            self.all_held(agent)
            self.assertNotIn("heldDeletions", {name for name, value in agent.status().items()
                                               if value != "0"})
        self.assertGreaterEqual(b.metric("filesync_agent_held_entries"), 60 - FEW)
        # The rest goes on, both ways.
        a.write("new-a", "1")
        b.write("dir-0/file-95", "edited")
        self.arrives(b, "new-a", "1")
        self.arrives(a, "dir-0/file-95", "edited")
        for agent in (b, c):
            wait_until(lambda agent=agent: self.held(agent), "still holds")
            self.assertGreaterEqual(self.there(agent), self.COUNT - 1 - FEW)
        self.tell("confirm", b)
        wait_until(lambda: self.there(b) == 39, "they are deleted at B")
        self.converge(a, b)
        # What was confirmed at B is nothing that C was asked about.
        self.assertTrue(self.held(c))
        self.assertGreaterEqual(self.there(c), self.COUNT - 1 - FEW)
        self.tell("confirm", c)
        self.converge(a, b, c)

    def test_undone_for_everybody(self):
        a, b, c = self.filled(receivers=2)
        subprocess.run(["rm", "-rf", *(a.path(f"dir-{n}") for n in range(5))], check=True)
        a.write("kept", "1")
        here = [self.all_held(agent) for agent in (b, c)]
        self.tell("undo", b)
        self.converge(a, b)
        self.assertEqual(here[0], self.there(a))
        # What C held is there again, but for what B did not have any more.
        wait_until(lambda: self.held(c) or c.in_sync(), "C is through")
        self.assertLessEqual(int(c.status().get("heldIncomingDeletions", 0)), FEW)
        if self.held(c):
            self.tell("undo", c)
        self.converge(a, b, c)
        self.assertGreaterEqual(self.there(a), max(here))

    def test_held_over_restarts_and_kills(self):
        a, b = self.filled()
        # In part let go before the rest is held, so that the rest alone would be allowed.
        self.delete(a, range(40))
        wait_until(lambda: self.there(b) == 60, "the first ones go")
        self.delete(a, range(40, 60))
        self.holds(b, heldIncomingDeletions=20)
        for end in (b.kill, b.stop, b.kill):
            end()
            b.start()
            self.holds(b, heldIncomingDeletions=20)
            self.assertEqual(60, self.there(b))
        self.tell("undo", b)
        b.kill()
        b.start()
        wait_until(lambda: b.in_sync() or self.held(b), "B is through")
        if self.held(b):  # it was killed before it had noted the undo
            self.tell("undo", b)
        self.converge(a, b)
        self.assertEqual(60, self.there(a))

    def test_a_kill_during_confirm(self):
        a, b = self.filled()
        self.delete(a, range(60))
        self.all_held(b)
        self.tell("confirm", b)
        b.kill()
        b.start()
        wait_until(lambda: b.in_sync() or self.held(b), "B is through")
        if self.held(b):  # it was killed before it had noted the word
            self.tell("confirm", b)
        self.converge(a, b)
        self.assertEqual(40, self.there(b))

    def test_what_came_while_stopped(self):
        a, b = self.filled()
        b.stop()
        self.delete(a, range(60))
        wait_until(a.in_sync, "A is in sync")
        result = subprocess.run([SYNCAGENT, "sync", "--server", b.server, b.dir],
                                capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(4, result.returncode, result.stdout + result.stderr)
        self.assertEqual(self.COUNT, self.there(b))
        result = subprocess.run([SYNCAGENT, "sync", "--server", b.server, *FREE, b.dir],
                                capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        self.assertEqual(40, self.there(b))

    def test_an_edit_of_what_is_held_goes_back(self):
        a, b = self.filled()
        subprocess.run(["rm", "-rf", *(a.path(f"dir-{n}") for n in range(5))], check=True)
        a.write("kept", "1")
        self.all_held(b)
        b.write("dir-2/file-7", "edited at B")
        b.write("dir-3/new", "new at B")
        self.arrives(a, "dir-2/file-7", "edited at B")
        self.arrives(a, "dir-3/new", "new at B")
        wait_until(lambda: self.held(b), "B still holds the rest")
        self.assertGreaterEqual(self.there(b), self.COUNT - 1 - FEW)
        self.tell("confirm", b)
        self.converge(a, b)
        self.assertEqual(b"edited at B", b.read("dir-2/file-7"))
        self.assertEqual(b"new at B", b.read("dir-3/new"))
        self.assertEqual(0, self.there(b))

    def test_half_goes_through_and_moves_do_not_count(self):
        a, b = self.filled()
        self.delete(a, range(50))
        wait_until(lambda: self.there(b) == 50, "half of it is deleted at B")
        self.converge(a, b)
        os.mkdir(a.path("below"))
        for number in range(5):
            os.rename(a.path(f"dir-{number}"), a.path(f"below/dir-{number}"))
        self.converge(a, b)
        self.assertNotIn("confirm", b.process.output())

    def test_a_large_tree_in_many_slices(self):
        a, b = self.filled()
        for number in range(6000):
            a.write(f"many/{number % 7}/{number // 3000}/file-{number}", str(number))
        self.converge(a, b)
        subprocess.run(["rm", "-rf", a.path("many")], check=True)
        self.holds(b, heldIncomingDeletions=6022)
        self.tell("confirm", b)
        self.converge(a, b)
        self.assertFalse(os.path.exists(b.path("many")))

    def test_a_mirror_that_would_discard(self):
        a, _ = self.filled()
        server = self.hub
        mirror = self.agent("M", server, start=False, flags=("--mode", "destination-to-source"))
        for number in range(150):
            mirror.write(f"own/file-{number}", f"own {number}")
        mirror.start()
        self.holds(mirror, heldIncomingDeletions=151)
        self.assertEqual(b"own 7", mirror.read("own/file-7"))
        self.assertEqual(self.COUNT, self.there(mirror))
        self.tell("confirm", mirror)
        self.converge(a, mirror)
        self.assertIn(b"own 7", self.in_trash(mirror))

    def test_a_mirror_that_is_to_keep_its_own(self):
        a, _ = self.filled()
        mirror = self.agent("M", self.hub, start=False, flags=("--mode", "destination-to-source"))
        for number in range(150):
            mirror.write(f"own/file-{number}", f"own {number}")
        mirror.start()
        self.holds(mirror, heldIncomingDeletions=151)
        self.tell("undo", mirror)
        self.converge(a, mirror)
        self.assertEqual(b"own 7", a.read("own/file-7"))


class ReplacementsTest(HoldingTestCase):
    def test_scrambled_in_place_is_not_passed_on(self):
        a, b = self.filled(flags=())
        self.scramble(a, range(60))
        wait_until(lambda: self.held(a), "A holds")
        total = int(a.status()["heldReplacements"])
        self.assertGreaterEqual(total, 60 - FEW)
        self.assertGreaterEqual(self.there(b), self.COUNT - FEW)
        a.write("new-a", "1")
        self.arrives(b, "new-a", "1")
        for end in (a.stop, a.kill):
            end()
            a.start()
            self.holds(a, heldReplacements=total)
        scrambled = a.read(self.name(59))
        here = self.there(b)
        self.tell("undo", a)
        self.converge(a, b)
        self.assertEqual(here, self.there(a))
        self.assertIn(scrambled, self.in_trash(a))

    def test_scrambled_and_confirmed(self):
        a, b = self.filled(flags=())
        a.stop()
        self.scramble(a, range(60))
        a.start()
        self.holds(a, heldReplacements=60)
        self.assertEqual(self.COUNT, self.there(b))
        self.tell("confirm", a)
        self.holds(b, heldIncomingReplacements=60)
        self.assertEqual(self.COUNT, self.there(b))
        self.tell("confirm", b)
        self.converge(a, b)
        self.assertEqual(40, self.there(b))

    def test_scrambled_and_renamed(self):
        for number, in_place in enumerate((True, False)):
            with self.subTest(in_place=in_place):
                a, b = self.filled(flags=())
                self.scramble(a, range(self.COUNT), ".locked", in_place)
                wait_until(lambda: self.held(a), "A holds")
                # A part may have gone while it was few.
                self.assertGreaterEqual(self.there(b), self.COUNT - FEW)
                self.tell("undo", a)
                wait_until(lambda: self.there(a) == self.there(b), "the rest is back")
                self.converge(a, b)
                self.clean_up()
                self.setUp()

    def test_each_receiver_holds_and_gives_back(self):
        a, b, c = self.filled(receivers=2)
        a.stop()
        self.scramble(a, range(70))
        a.start()
        for agent in (b, c):
            self.holds(agent, heldIncomingReplacements=70)
            # A part may have gone while it was few.
            self.assertGreaterEqual(self.there(agent), self.COUNT - FEW)
        b.kill()
        b.start()
        self.holds(b, heldIncomingReplacements=70)
        here = self.there(b)
        scrambled = a.read(self.name(69))
        self.tell("undo", b)
        self.converge(a, b)
        self.converge(a, b, c)
        for agent in (a, b, c):
            self.assertEqual(here, self.there(agent))
        self.assertIn(scrambled, self.in_trash(a))

    def test_renamed_by_a_peer_that_does_not_brake(self):
        a, b = self.filled()
        self.scramble(a, range(self.COUNT), ".locked")
        wait_until(lambda: self.held(b), "B holds")
        self.assertGreaterEqual(self.there(b), self.COUNT - FEW)

    def test_emptied_files(self):
        a, b = self.filled(flags=())
        a.stop()
        for number in range(60):
            os.truncate(a.path(self.name(number)), 0)
        a.start()
        self.holds(a, heldReplacements=60)
        self.tell("undo", a)
        self.converge(a, b)
        self.assertEqual(self.COUNT, self.there(a))

    def test_ordinary_bulk_edits_go_through(self):
        a, b = self.filled(flags=())
        jpeg = b"\xff\xd8\xff\xe0" + os.urandom(3000)
        for number in range(60):  # a formatter
            a.write(self.name(number), self.content(number).upper())
        self.converge(a, b)
        for number in range(60):  # photographs, twice
            a.write(self.name(number), jpeg + bytes([number]))
        self.converge(a, b)
        for number in range(60):
            a.write(self.name(number), jpeg[:4] + os.urandom(3000))
        self.converge(a, b)
        for number in range(60):  # a checkout
            a.write(self.name(number), f"other {number}\r\n" * 30)
        self.converge(a, b)
        for agent in (a, b):
            self.assertNotIn("confirm", agent.process.output())

    def test_large_files(self):
        server = self.server()
        a, b = (self.agent(name, server) for name in "AB")
        first = [os.urandom(400_000) for _ in range(30)]
        for number, data in enumerate(first):
            a.write(f"large-{number}", data)
        self.converge(a, b)
        # Edits keep most of it.
        for number, data in enumerate(first):
            a.write(f"large-{number}", data[:200_000] + b"edit" + data[200_000:])
        self.converge(a, b)
        self.assertNotIn("confirm", a.process.output() + b.process.output())
        a.stop()
        for number in range(30):
            a.write(f"large-{number}", os.urandom(400_000))
        a.start()
        self.holds(a, heldReplacements=30)


if __name__ == "__main__":
    unittest.main()
