"""A run that is asked for a part of a directory, and one that holds nothing back."""
import json
import os
import pathlib
import shutil
import subprocess
import unittest

import outcomes
from harness import SYNCAGENT
from outcomes import contents


def with_directories(files):
    above = {str(parent) for path in files for parent in pathlib.PurePath(path).parents}
    return {**{path: "directory" for path in above if path != "."}, **files}


class SubtreeTestCase(outcomes.OutcomesTestCase):
    def one_shot(self, name):
        server = self.servers[0] if self.servers else self.server()
        return self.agent(name, server, start=False)

    def sides(self, files):
        """Two sides that hold `files` and agree."""
        a, b = self.one_shot("A"), self.one_shot("B")
        for path, data in files.items():
            a.write(path, data)
        self.synced(a)
        self.synced(b)
        self.assertEqual(with_directories(files), contents(b))
        return a, b

    def of(self, result):
        """{path: (kind, reason)} of what a report says."""
        report = json.loads(result.stdout)
        return {action["path"]: (action["kind"], action.get("reason", ""))
                for location in report["locations"] for action in location.get("actions", ())}


class SubtreeTest(SubtreeTestCase):
    def test_changes_inside_go_both_ways_and_others_wait(self):
        a, b = self.sides({"docs/a": b"a", "docs/b": b"b", "docs/c": b"c", "code/a": b"a",
                           "code/b": b"b", "code/c": b"c"})
        for part in ("docs", "code"):
            self.save(b, f"{part}/a", b"edited there")
            os.unlink(b.path(f"{part}/b"))
            self.save(b, f"{part}/new-there", b"new there")
        self.synced(b)
        for part in ("docs", "code"):
            self.save(a, f"{part}/new-here", b"new here")
            os.unlink(a.path(f"{part}/c"))
            os.mkdir(a.path(f"{part}/empty"))
        left_alone = outcomes.below(contents(a), "code")
        plan = self.sync(a, "--path", "docs", "--dry-run", "--json")
        done = self.sync(a, "--path", "./docs/", "--json")
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertEqual(self.of(plan), self.of(done))
        self.assertEqual({"docs/a", "docs/b", "docs/c", "docs/new-there", "docs/new-here",
                          "docs/empty"}, set(self.of(done)))
        docs = {"docs": "directory", "docs/a": b"edited there", "docs/new-there": b"new there",
                "docs/new-here": b"new here", "docs/empty": "directory"}
        self.assertEqual(docs, outcomes.below(contents(a), "docs"))
        self.assertEqual(left_alone, outcomes.below(contents(a), "code"))
        listed = self.listed(a)
        self.assertEqual(set(docs), set(outcomes.below(listed, "docs")))
        self.assertIn("code/c", listed)
        self.assertNotIn("code/new-here", listed)
        # Again: there is nothing to do, and the rest still waits.
        self.assertEqual({}, self.of(self.sync(a, "--path", "docs", "--json")))
        self.synced(a)
        self.synced(b)
        self.assertEqual(contents(a), contents(b))
        self.assertEqual({path.replace("docs", "code"): data for path, data in docs.items()},
                         outcomes.below(contents(b), "code"))

    def test_a_part_of_a_folder_for_a_start(self):
        a, _ = self.sides({"docs/deep/x": b"x", "docs/y": b"y", "code/z": b"z"})
        c = self.one_shot("C")
        self.synced(c, "--path", "docs/deep")
        self.assertEqual({"docs": "directory", "docs/deep": "directory", "docs/deep/x": b"x"},
                         contents(c))
        self.synced(c)
        self.assertEqual(contents(a), contents(c))

    def test_a_file(self):
        a, b = self.sides({"docs/x": b"1", "docs/y": b"1"})
        self.save(a, "docs/x", b"edited")
        self.save(a, "docs/y", b"edited")
        self.synced(a, "--path", "docs/x")
        self.synced(b)
        self.assertEqual([b"edited", b"1"], [b.read("docs/x"), b.read("docs/y")])
        os.unlink(a.path("docs/x"))
        self.synced(a, "--path", "docs/x")
        self.synced(b)
        self.assertEqual(with_directories({"docs/y": b"1"}), contents(b))

    def test_a_new_part_in_new_directories(self):
        a, b = self.sides({"x": b"x"})
        self.save(a, "new/beside", b"1")
        os.makedirs(a.path("new/deep/part"))
        a.write("new/deep/part/x", b"2")
        a.write("new/deep/beside", b"3")
        self.synced(a, "--path", "new/deep/part")
        self.synced(b)
        self.assertEqual({"x": b"x", "new": "directory", "new/deep": "directory",
                          "new/deep/part": "directory", "new/deep/part/x": b"2"}, contents(b))

    def test_a_part_that_is_gone(self):
        a, b = self.sides({"docs/deep/x": b"x", "docs/y": b"y", "z": b"z"})
        shutil.rmtree(a.path("docs"))
        # Whether the rest of it goes is not asked.
        self.synced(a, "--path", "docs/deep")
        self.synced(b)
        self.assertEqual(with_directories({"docs/y": b"y", "z": b"z"}), contents(b))
        self.synced(a)
        self.synced(b)
        self.assertEqual({"z": b"z"}, contents(b))

    def test_a_part_that_went_there(self):
        a, b = self.sides({"docs/deep/x": b"x", "docs/y": b"y", "z": b"z"})
        shutil.rmtree(b.path("docs"))
        self.synced(b)
        self.synced(a, "--path", "docs/deep")
        self.assertEqual(with_directories({"docs/y": b"y", "z": b"z"}), contents(a))
        self.synced(a)
        self.assertEqual({"z": b"z"}, contents(a))

    def test_an_edit_in_what_went_there_brings_back_its_way(self):
        a, b = self.sides({"docs/deep/x": b"x", "docs/y": b"y", "z": b"z"})
        shutil.rmtree(b.path("docs"))
        self.synced(b)
        self.save(a, "docs/deep/x", b"edited")
        self.synced(a, "--path", "docs/deep")
        self.synced(b)
        edited = {"docs": "directory", "docs/deep": "directory", "docs/deep/x": b"edited",
                  "z": b"z"}
        self.assertEqual(edited, contents(b))
        self.assertEqual({**edited, "docs/y": b"y"}, contents(a))
        self.synced(a)
        self.assertEqual(edited, contents(a))

    def test_renames_over_its_edge(self):
        a, b = self.sides({"docs/stays": b"stays", "code/come": os.urandom(200_000),
                           "docs/leave": os.urandom(200_000)})
        come, leave = a.read("code/come"), a.read("docs/leave")
        os.rename(a.path("code/come"), a.path("docs/come"))
        os.rename(a.path("docs/leave"), a.path("code/leave"))
        done = self.sync(a, "--path", "docs", "--json")
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertLess(int(json.loads(done.stdout)["locations"][0].get("bytesSent", 0)), 1000)
        self.synced(b)
        self.assertEqual(with_directories({"docs/stays": b"stays", "docs/come": come,
                                           "code/come": come}), contents(b))
        self.synced(a)
        self.synced(b)
        self.assertEqual(with_directories({"docs/stays": b"stays", "docs/come": come,
                                           "code/leave": leave}), contents(b))
        # And there.
        os.rename(b.path("docs/come"), b.path("code/back"))
        self.synced(b)
        self.synced(a, "--path", "docs")
        self.assertEqual(with_directories({"docs/stays": b"stays", "code/leave": leave}),
                         contents(a))
        self.synced(a)
        self.assertEqual(contents(b), contents(a))

    def test_conflicts_elsewhere_stay_reported(self):
        a, b = self.sides({"docs/x": b"1", "code/x": b"1", "code/y": b"1"})
        for path in ("docs/x", "code/x"):
            self.save(b, path, b"there")
            self.save(a, path, b"and here")
        self.synced(b)
        self.assertEqual(3, self.sync(a, "--conflict", "manual").returncode)

        def reported():
            answer = self.ask("ListConflicts", folder=a.folder)
            return sorted(view.path for view in answer.conflicts)
        self.assertEqual(["code/x", "docs/x"], reported())
        self.synced(a, "--conflict", "keep-local", "--path", "docs")
        self.assertEqual(["code/x"], reported())
        self.save(b, "code/y", b"there")
        self.synced(b)
        self.save(a, "code/y", b"and here")
        result = self.sync(a, "--conflict", "manual", "--path", "code/y")
        self.assertEqual(3, result.returncode, result.stdout + result.stderr)
        self.assertEqual(["code/x", "code/y"], reported())

    def test_every_file_of_the_part_is_read(self):
        a, b = self.sides({"docs/x": b"as it was", "code/x": b"as it was"})
        for path in ("docs/x", "code/x"):
            info = os.stat(a.path(path))
            with open(a.path(path), "r+b") as file:
                file.write(b"AS")
            os.utime(a.path(path), ns=(info.st_atime_ns, info.st_mtime_ns))
        self.synced(a, "--path", "docs", "--compare", "size", "--full")
        self.synced(b)
        self.assertEqual([b"AS it was", b"as it was"], [b.read("docs/x"), b.read("code/x")])
        self.synced(a, "--compare", "size")
        self.synced(b)
        self.assertEqual(b"as it was", b.read("code/x"))

    def test_ignore_rules_hold_inside(self):
        a, b = self.sides({"docs/x": b"x"})
        a.write(".syncignore", "*.log\n")
        a.write("docs/new.log", "ignored")
        a.write("docs/new.txt", "new")
        self.synced(a, "--path", "docs")
        self.synced(b)
        self.assertEqual(with_directories({"docs/x": b"x", "docs/new.txt": b"new"}), contents(b))

    def test_one_side_wins_within_it_and_the_first_sync_goes_on(self):
        server = self.server()
        a, b = (self.agent(name, server, start=False) for name in "AB")
        for path in ("docs/x", "code/x"):
            self.save(a, path, b"here")
            self.save(b, path, b"over there")
        self.synced(b)
        self.synced(a, "--path", "docs", "--first-sync", "local-wins", "--yes")
        self.assertEqual([b"here", b"here"], [a.read("docs/x"), a.read("code/x")])
        self.synced(b)
        self.assertEqual([b"here", b"over there"], [b.read("docs/x"), b.read("code/x")])
        self.synced(a, "--first-sync", "local-wins", "--yes")
        self.synced(b)
        self.assertEqual(b"here", b.read("code/x"))

    def test_what_is_nowhere_is_said(self):
        a, _ = self.sides({"docs/x": b"x"})
        result = self.sync(a, "--path", "dosc")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIn("there is nothing at dosc", result.stdout + result.stderr)
        result = self.sync(a, "--path", "docs")
        self.assertNotIn("there is nothing", result.stdout + result.stderr)

    def test_what_can_not_be_a_part(self):
        a, _ = self.sides({"docs/x": b"x"})
        for flags, said in ((("--path", "../docs"), "--path"), (("--path", "/docs"), "--path"),
                            (("--path", ""), "--path"), (("--path", "."), "--path"),
                            (("--path", "docs", "--force-upload"), "--path")):
            with self.subTest(flags=flags):
                result = self.sync(a, *flags)
                self.assertEqual(2, result.returncode, result.stdout)
                self.assertIn(said, result.stderr)
        several = subprocess.run(
            [SYNCAGENT, "sync", "--server", a.server, "--sync", f"default={a.dir}", "--sync",
             f"other={os.path.join(self.base, 'new')}", "--path", "docs"], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, timeout=60)
        self.assertEqual(2, several.returncode)
        self.assertIn("several directories", several.stderr)


class ForceTest(SubtreeTestCase):
    def test_nothing_is_held(self):
        files = {f"dir/{number}": f"content {number}".encode() for number in range(60)}
        a, b = self.sides({**files, "stays": b"stays"})
        for path in list(files)[:45]:
            os.unlink(a.path(path))
        self.assertEqual(4, self.sync(a).returncode)
        self.assertEqual(61, len([size for path, size in self.listed(a).items() if path != "dir"]))
        plan = self.sync(a, "--force", "--dry-run", "--json")
        self.assertEqual(set(list(files)[:45]), set(self.of(plan)))
        self.synced(a, "--force")
        # The other side holds what comes to it, until it is told the same.
        self.assertEqual(4, self.sync(b).returncode)
        self.synced(b, "--force")
        self.assertEqual(contents(a), contents(b))
        # Once: the next mass deletion is held again.
        for path in list(files)[45:]:
            self.save(a, path + "-again", b"")
        self.save(a, "more/x", b"")
        for number in range(60):
            self.save(a, f"dir/more-{number}", b"more")
        self.synced(a)
        shutil.rmtree(a.path("dir"))
        self.assertEqual(4, self.sync(a).returncode)


if __name__ == "__main__":
    unittest.main()
