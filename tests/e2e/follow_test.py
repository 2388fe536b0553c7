"""An edit that races with a rename elsewhere is found at the new name, on all sides."""
import hashlib
import os
import re
import unittest

import harness
import outcomes
from harness import wait_until
from outcomes import contents

EDIT = b"edited by the editor, at length"
COPY = re.compile(r"\.conflict-\d{8}-\d{6}-")


class FollowTestCase(outcomes.OutcomesTestCase):
    """E edits, R renames; neither knows of the other's change when it makes its own."""

    flags = ()

    def pair_with(self, *paths, data=b"base of "):
        for process in (*self.agents, *self.servers):
            if process.process.running():
                process.process.kill()
        number = len(self.servers)
        self.one = self.server(name=f"server{number}")
        self.servers.insert(0, self.servers.pop())  # The one that is asked.
        editor, renamer = (
            self.agent(name, self.one, flags=self.flags,
                       directory=os.path.join(self.base, str(number), name)) for name in "ER")
        for path in paths:
            editor.write(path, data + path.encode())
        editor.write("beside", b"base of beside")
        self.converge(editor, renamer)
        return editor, renamer

    def rename(self, agent, old, new):
        os.makedirs(os.path.dirname(agent.path(new)), exist_ok=True)
        os.rename(agent.path(old), agent.path(new))

    def apart(self, editor, renamer, changes, first):
        """Both are away when `changes` are made; `first` commits before the other is back."""
        editor.stop()
        renamer.stop()
        changes()
        for agent in (editor, renamer) if first == "E" else (renamer, editor):
            agent.start()
            wait_until(agent.in_sync, f"{agent.name} is in sync", 90)
        self.converge(editor, renamer)

    def files(self, agent):
        return {path: data for path, data in contents(agent).items() if data != "directory"}

    def expect(self, agents, files):
        wanted = {**files, "beside": b"base of beside"}
        for agent in agents:
            self.assertEqual(self.short(wanted), self.short(self.files(agent)), agent.name)

    @staticmethod
    def short(files):
        """So that the difference of two can be told."""
        return {path: data if len(data) < 200 else hashlib.sha256(data).hexdigest()
                for path, data in files.items()}

    def both_orders(self, test):
        for first in ("R", "E"):
            with self.subTest(first=first):
                test(first)


class FileTest(FollowTestCase):
    def test_renamed_file(self):
        def run(first):
            editor, renamer = self.pair_with("plan.txt")

            def changes():
                editor.write("plan.txt", EDIT)
                self.rename(renamer, "plan.txt", "renamed.txt")
            self.apart(editor, renamer, changes, first)
            self.expect((editor, renamer), {"renamed.txt": EDIT})
            # The server holds one of them too, and knows of the rename.
            self.assertEqual({"renamed.txt": len(EDIT), "beside": 14}, self.listed(editor))
        self.both_orders(run)

    def test_saved_as_editors_do(self):
        def run(first):
            editor, renamer = self.pair_with("plan.txt")

            def changes():
                self.save(editor, "plan.txt", EDIT)
                self.rename(renamer, "plan.txt", "into/a/directory.txt")
            self.apart(editor, renamer, changes, first)
            self.expect((editor, renamer), {"into/a/directory.txt": EDIT})
        self.both_orders(run)

    def test_renamed_again_and_again(self):
        def run(first):
            editor, renamer = self.pair_with("plan.txt", "other.txt")
            if first == "E":
                editor.stop()
                renamer.stop()
                editor.write("plan.txt", EDIT)
                for old, new in (("plan.txt", "b"), ("b", "c/d"), ("c/d", "e")):
                    self.rename(renamer, old, new)
                editor.start()
                wait_until(editor.in_sync, "E is in sync")
                renamer.start()
            else:
                editor.stop()
                editor.write("plan.txt", EDIT)
                for old, new in (("plan.txt", "b"), ("b", "c/d"), ("c/d", "e")):
                    self.rename(renamer, old, new)
                    wait_until(renamer.in_sync, "R committed this rename")
                    wait_until(lambda name=new: name in self.listed(renamer), "it is there")
                editor.start()
            self.converge(editor, renamer)
            self.expect((editor, renamer), {"e": EDIT, "other.txt": b"base of other.txt"})
        self.both_orders(run)

    def test_large_file(self):
        def run(first):
            large = bytes(range(256)) * 80_000  # on its own lane
            editor, renamer = self.pair_with("large", data=large)
            edited = large[:1000] + b"edited" + large[1000:] + b"large"

            def changes():
                editor.write("large", edited)
                self.rename(renamer, "large", "larger")
            self.apart(editor, renamer, changes, first)
            self.expect((editor, renamer), {"larger": edited})
        self.both_orders(run)

    def test_new_name_changed_too(self):
        def run(first):
            editor, renamer = self.pair_with("plan.txt")
            theirs = b"renamed, and changed"

            def changes():
                editor.write("plan.txt", EDIT)
                self.rename(renamer, "plan.txt", "renamed.txt")
                renamer.write("renamed.txt", theirs)
            self.apart(editor, renamer, changes, first)
            held = self.files(editor)
            self.assertEqual({EDIT, theirs, b"base of beside"}, set(held.values()), held)
            if first == "R":
                # An ordinary conflict, and at the new name.
                self.assertEqual({"renamed.txt", "beside"},
                                 {name for name in held if not COPY.search(name)}, held)
        self.both_orders(run)

    def test_new_name_changed_later(self):
        editor, renamer = self.pair_with("plan.txt")
        editor.stop()
        editor.write("plan.txt", EDIT)
        self.rename(renamer, "plan.txt", "renamed.txt")
        wait_until(lambda: "renamed.txt" in self.listed(renamer), "R committed the rename")
        for i in range(3):
            self.save(renamer, "renamed.txt", b"changed later %d" % i)
            wait_until(lambda n=15: self.listed(renamer)["renamed.txt"] == n, "R committed it")
        editor.start()
        self.converge(editor, renamer)
        held = self.files(editor)
        self.assertEqual({EDIT, b"changed later 2", b"base of beside"}, set(held.values()), held)
        self.assertEqual({"renamed.txt", "beside"},
                         {name for name in held if not COPY.search(name)}, held)

    def test_new_name_is_gone_again(self):
        editor, renamer = self.pair_with("plan.txt")
        editor.stop()
        editor.write("plan.txt", EDIT)
        self.rename(renamer, "plan.txt", "renamed.txt")
        wait_until(lambda: "renamed.txt" in self.listed(renamer), "R committed the rename")
        os.unlink(renamer.path("renamed.txt"))
        wait_until(lambda: "renamed.txt" not in self.listed(renamer), "R deleted it")
        editor.start()
        self.converge(editor, renamer)
        self.expect((editor, renamer), {"plan.txt": EDIT})

    def test_deleted_against_edited_is_as_ever(self):
        def run(first):
            editor, renamer = self.pair_with("plan.txt")

            def changes():
                editor.write("plan.txt", EDIT)
                os.unlink(renamer.path("plan.txt"))
            self.apart(editor, renamer, changes, first)
            self.expect((editor, renamer), {"plan.txt": EDIT})
        self.both_orders(run)

    def test_while_both_are_connected_again_at_once(self):
        editor, renamer = self.pair_with(*(f"f{i}" for i in range(30)))
        self.one.process.kill()
        for i in range(30):
            editor.write(f"f{i}", EDIT + b"%d" % i)
            self.rename(renamer, f"f{i}", f"g{i % 3}/f{i}")
        self.one.start()
        self.converge(editor, renamer)
        self.expect((editor, renamer), {f"g{i % 3}/f{i}": EDIT + b"%d" % i for i in range(30)})


class DirectoryTest(FollowTestCase):
    def tree(self):
        return [f"d/s{i % 2}/f{i}" for i in range(8)]

    def moved(self, new, edited):
        return {path.replace("d/", new + "/", 1): EDIT + path.encode() if path in edited
                else b"base of " + path.encode() for path in self.tree()}

    def edit(self, editor, edited):
        for path in edited:
            editor.write(path, EDIT + path.encode())

    def test_renamed_directory(self):
        def run(first):
            edited = self.tree()[:3]
            editor, renamer = self.pair_with(*self.tree())

            def changes():
                self.edit(editor, edited)
                self.rename(renamer, "d", "e")
            self.apart(editor, renamer, changes, first)
            self.expect((editor, renamer), self.moved("e", edited))
            for agent in (editor, renamer):
                self.assertFalse(os.path.exists(agent.path("d")), agent.name)
        self.both_orders(run)

    def test_renamed_again_and_moved(self):
        def run(first):
            edited = self.tree()[2:4]
            editor, renamer = self.pair_with(*self.tree())
            editor.stop()
            self.edit(editor, edited)
            if first == "E":
                renamer.stop()
            for old, new in (("d", "e"), ("e", "x/y")):
                self.rename(renamer, old, new)
                if first == "R":
                    wait_until(lambda name=new: f"{name}/s1/f7" in self.listed(renamer), "moved")
            editor.start()
            if first == "E":
                wait_until(editor.in_sync, "E is in sync")
                renamer.start()
            self.converge(editor, renamer)
            self.expect((editor, renamer), self.moved("x/y", edited))
        self.both_orders(run)

    def test_with_more_than_edits(self):
        """What else is in the way does not keep an edit from following."""
        editor, renamer = self.pair_with(*self.tree())
        edited = self.tree()[:2]

        def changes():
            self.edit(editor, edited)
            editor.write("d/new", "made by E")
            self.rename(renamer, "d", "e")
        self.apart(editor, renamer, changes, "R")
        self.expect((editor, renamer), {**self.moved("e", edited), "d/new": b"made by E"})

    def test_while_both_are_connected_again_at_once(self):
        editor, renamer = self.pair_with(*self.tree())
        self.one.process.kill()
        self.edit(editor, self.tree())
        self.rename(renamer, "d", "e")
        self.one.start()
        self.converge(editor, renamer)
        self.expect((editor, renamer), self.moved("e", self.tree()))


class ManualTest(FollowTestCase):
    """It is no conflict: nobody is asked."""

    flags = ("--conflict", "manual")

    def test_renamed_file_and_directory(self):
        def run(first):
            editor, renamer = self.pair_with("plan.txt", "d/x", "d/y")

            def changes():
                editor.write("plan.txt", EDIT)
                editor.write("d/x", EDIT)
                self.rename(renamer, "plan.txt", "renamed.txt")
                self.rename(renamer, "d", "e")
            self.apart(editor, renamer, changes, first)
            self.expect((editor, renamer),
                        {"renamed.txt": EDIT, "e/x": EDIT, "e/y": b"base of d/y"})
        self.both_orders(run)


class RandomTest(FollowTestCase):
    def test_no_edit_is_lost(self):
        rng = harness.seed()
        names = [f"{d}/{f}" for d in "abcd" for f in "123"]
        editor, renamer = self.pair_with(*names)
        made = 0
        for round_number in range(8):
            if rng.random() < 0.5:
                self.one.process.kill()
            else:
                editor.stop()
                renamer.stop()
            edits = set()
            for agent in (editor, renamer):
                paths = sorted(path for path in self.files(agent) if path != "beside")
                for path in rng.sample(paths, min(4, len(paths))):
                    made += 1
                    data = b"%d of %s" % (made, agent.name.encode())
                    edits.add(data)
                    if rng.random() < 0.5:
                        agent.write(path, data)
                    else:
                        self.save(agent, path, data)
                for path in rng.sample(paths, min(3, len(paths))):
                    # Directories, too.
                    old = os.path.dirname(path) if rng.random() < 0.4 else path
                    new = f"{rng.choice('abcdefgh')}/{made}.{rng.randrange(1000)}"
                    if os.path.exists(agent.path(old)) and not os.path.exists(agent.path(new)):
                        try:
                            self.rename(agent, old, new)
                        except OSError:
                            pass  # Into itself, or below a file.
            if not self.one.process.running():
                self.one.start()
            for agent in (editor, renamer):
                if not agent.process.running():
                    agent.start()
            self.converge(editor, renamer)
            held = set(self.files(editor).values())
            self.assertEqual(set(), edits - held, f"round {round_number}")


if __name__ == "__main__":
    unittest.main()
