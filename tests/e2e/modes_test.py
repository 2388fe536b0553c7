"""Modes: every cell of their table, seen from both sides, and every way to name them."""
import os
import subprocess
import tempfile
import time
import unittest

from harness import SYNCAGENT, wait_until
from outcomes import OutcomesTestCase, below, contents, soon, with_directories

# Where a change ends that was made at one side. Travels: both sides have it. Undone: neither has.
# Ignored: only the side that made it has. Added: the other side gets what is new, and keeps what
# is gone. Mode: (made at the source, made at the destination).
MODES = {
    "two-way": ("travels", "travels"),
    "source-to-destination": ("travels", "undone"),
    "source-backup": ("added", "ignored"),
    "destination-to-source": ("undone", "travels"),
    "destination-backup": ("ignored", "added"),
}
SPELLINGS = {
    "two-way": ("two-way", "tw", "twoWay", "TWO_WAY"),
    "source-to-destination": ("source-to-destination", "std", "sourceToDestination",
                              "SOURCE_TO_DESTINATION", "localToCloud"),
    "source-backup": ("source-backup", "sb", "sourceBackup", "SOURCE_BACKUP", "localBackup"),
    "destination-to-source": ("destination-to-source", "dts", "destinationToSource",
                              "DESTINATION_TO_SOURCE", "cloudToLocal"),
    "destination-backup": ("destination-backup", "db", "destinationBackup", "DESTINATION_BACKUP",
                           "cloudBackup"),
}
CHANGES = ("created", "changed", "deleted", "renamed", "tree-created", "tree-deleted",
           "tree-renamed")
POLICIES = ("newest", "keep-local", "keep-remote", "keep-both", "manual")


class ModeTest(OutcomesTestCase):
    """One pair of agents per mode: S, in that mode, and O, which shows what the folder holds."""

    def states(self, cell):
        """What the paths of a cell hold before and after its change."""
        change = cell.split("-", 2)[2]
        tree = change.startswith("tree-")
        old, new = (f"{cell}/file", f"{cell}.new/file") if tree else \
            (f"{cell}.txt", f"{cell}.new.txt")
        base = f"base of {cell}".encode()
        before = {} if change.endswith("created") else {old: base}
        after = {"created": {old: base}, "changed": {old: base + b", changed"}, "deleted": {},
                 "renamed": {new: base}}[change.rsplit("-", 1)[-1]]
        return before, after

    def expected(self, mode, cell):
        """What S and O hold in the end."""
        at_source = cell.split("-")[1] == "source"
        before, after = self.states(cell)
        outcome = MODES[mode][0 if at_source else 1]
        maker, receiver = {"travels": (after, after), "undone": (before, before),
                           "ignored": (after, before), "added": (after, {**before, **after})
                           }[outcome]
        return (maker, receiver) if at_source else (receiver, maker)

    def make(self, agent, cell):
        before, after = self.states(cell)
        if cell.endswith("deleted"):
            self.remove(agent, next(iter(before)).removesuffix("/file"))
        elif cell.endswith("renamed"):
            old, new = (next(iter(state)).removesuffix("/file") for state in (before, after))
            os.rename(agent.path(old), agent.path(new))
        else:
            for path, data in after.items():
                self.save(agent, path, data)

    def settle(self, sender, receiver):
        """What travels has travelled, and both have seen all that was committed."""
        marker = f"marker-{time.monotonic_ns()}"
        self.save(sender, marker, marker.encode())
        self.arrives(receiver, marker, marker)

        def caught_up():
            head = self.ask("GetFolder", folder=sender.folder).folder.head_version
            return all(agent.in_sync() and int(agent.status().get("appliedVersion", 0)) >= head
                       for agent in (sender, receiver))
        wait_until(caught_up, "both in sync")

    def sizes(self, agent):
        return {path: 0 if data == "directory" else len(data or b"")
                for path, data in contents(agent).items()}

    def assert_cells(self, mode, source, other, cells):
        def like(cell):
            return [with_directories(files) for files in self.expected(mode, cell)] == \
                [below(contents(agent), cell) for agent in (source, other)]
        soon(lambda: all(like(cell) for cell in cells))
        wait_until(lambda: self.listed(other) == self.sizes(other), "the server holds O's tree")
        self.settle(*((other, source) if mode.startswith("destination") else (source, other)))
        for cell in cells:
            for agent, files in zip((source, other), self.expected(mode, cell)):
                with self.subTest(mode=mode, cell=cell, side=agent.name):
                    self.assertEqual(with_directories(files), below(contents(agent), cell))

    def run_mode(self, mode):
        server = self.server()
        source = self.agent("S", server, flags=("--mode", mode))
        other = self.agent("O", server)
        seeder = other if mode.startswith("destination") else source
        cells = {when: [f"{when}-{side}-{change}" for side in ("source", "destination")
                        for change in CHANGES] for when in ("live", "stopped")}
        everything = cells["live"] + cells["stopped"]
        for cell in everything:
            for path, data in self.states(cell)[0].items():
                self.save(seeder, path, data)
        self.save(seeder, "both-changed.txt", b"base")
        self.converge(source, other)

        for cell in cells["live"]:
            self.make(source if "-source-" in cell else other, cell)
        self.assert_cells(mode, source, other, cells["live"])

        source.stop()
        other.stop()
        for cell in cells["stopped"]:
            self.make(source if "-source-" in cell else other, cell)
        self.save(source, "both-changed.txt", b"changed at the source")
        self.save(other, "both-changed.txt", b"changed at the destination")
        self.restart(other)
        source.start()
        # All again: a scan must not bring back what was settled, nor act on what was not acted on.
        self.assert_cells(mode, source, other, everything)
        return source, other, everything

    def assert_discarded(self, mode, everything, kept):
        """Bytes that a mirror took off the losing side are still to be had."""
        side = "-destination-" if MODES[mode][1] == "undone" else "-source-"
        for cell in everything:
            if side in cell and cell.endswith(("created", "changed")):
                with self.subTest(mode=mode, cell=cell, discarded=True):
                    path, data = next(iter(self.states(cell)[1].items()))
                    self.assertTrue(kept(path, data))

    def assert_both_changed(self, source, other, winner):
        """The mode decides, not the policy."""
        wanted = {"both-changed.txt": winner}
        soon(lambda: all(below(contents(agent), "both-changed") == wanted
                         for agent in (source, other)))
        for agent in (source, other):
            with self.subTest(cell="both-changed", side=agent.name):
                self.assertEqual(wanted, below(contents(agent), "both-changed"))

    def assert_next_change(self, mode, everything, writer, reader):
        """A backup goes on from where it stands when the side that it follows changes again."""
        for cell in everything:
            ignored = "-destination-" if MODES[mode][1] == "ignored" else "-source-"
            if ignored in cell and cell.endswith(("-changed", "-deleted")):
                with self.subTest(mode=mode, cell=cell, next_change=True):
                    path = next(iter(self.states(cell)[0]))
                    self.save(writer, path, b"the next change of " + path.encode())
                    self.arrives(reader, path, b"the next change of " + path.encode())

    def test_two_way(self):
        source, other, _ = self.run_mode("two-way")
        held = below(contents(source), "both-changed")
        self.assertEqual({b"changed at the source", b"changed at the destination"},
                         set(held.values()))
        self.assertEqual(held, below(contents(other), "both-changed"))

    def test_source_to_destination(self):
        mode = "source-to-destination"
        source, other, everything = self.run_mode(mode)
        self.assert_both_changed(source, other, b"changed at the source")
        self.assert_discarded(mode, everything,
                              lambda path, data: self.in_history(other, path, data))
        self.assertTrue(self.in_history(other, "both-changed.txt",
                                        b"changed at the destination"))

    def test_source_backup(self):
        mode = "source-backup"
        source, other, everything = self.run_mode(mode)
        self.assert_both_changed(source, other, b"changed at the source")
        self.assert_next_change(mode, everything, source, other)
        for path in ("both-changed.txt", "live-destination-changed.txt"):
            data = self.states(path.removesuffix(".txt"))[1][path] if path.startswith("live") \
                else b"changed at the destination"
            self.assertTrue(self.in_history(other, path, data), path)

    def test_destination_to_source(self):
        mode = "destination-to-source"
        source, other, everything = self.run_mode(mode)
        self.assert_both_changed(source, other, b"changed at the destination")
        self.assert_discarded(mode, everything, lambda _, data: self.in_trash(source, data))
        self.assertTrue(self.in_trash(source, b"changed at the source"))

    def test_destination_backup(self):
        mode = "destination-backup"
        source, other, everything = self.run_mode(mode)
        self.assert_both_changed(source, other, b"changed at the destination")
        self.assert_next_change(mode, everything, other, source)
        for data in (b"changed at the source",
                     self.states("live-source-changed")[1]["live-source-changed.txt"]):
            self.assertTrue(self.in_trash(source, data), data)


class SpellingTest(OutcomesTestCase):
    # What a mode does with `mine`, new at the source, and `theirs`, new at the destination.
    SHOWN = {"two-way": ({"mine", "theirs"}, {"mine", "theirs"}),
             "source-to-destination": ({"mine"}, {"mine"}),
             "source-backup": ({"mine"}, {"mine", "theirs"}),
             "destination-to-source": ({"theirs"}, {"theirs"}),
             "destination-backup": ({"mine", "theirs"}, {"theirs"})}

    def probe(self, server, label, *flags, env=None):
        source = self.agent("S-" + label, server, start=False, folder=label)
        other = self.agent("O-" + label, server, start=False, folder=label)
        self.synced(source, *flags, env=env)
        self.save(source, "mine", b"made at the source")
        self.save(other, "theirs", b"made at the destination")
        self.synced(other)
        self.synced(source, *flags, env=env)
        self.synced(other)
        return set(contents(source)), set(contents(other))

    def test_modes(self):
        server = self.server()
        self.assertEqual(self.SHOWN["two-way"], self.probe(server, "none-given"))
        for mode, spellings in SPELLINGS.items():
            for spelling in spellings:
                with self.subTest(spelling):
                    self.assertEqual(self.SHOWN[mode],
                                     self.probe(server, spelling, "--mode", spelling))

    def test_environment(self):
        server = self.server()
        shown = self.probe(server, "by-name", env={"SYNCAGENT_MODE": "source-backup"})
        self.assertEqual(self.SHOWN["source-backup"], shown)
        shown = self.probe(server, "both", "--mode=std", env={"SYNCAGENT_MODE": "cloudBackup"})
        self.assertEqual(self.SHOWN["source-to-destination"], shown)

    def test_policies(self):
        server = self.server()
        names = [("--conflict", prefix + name) for prefix in ("", "*.db=") for name in POLICIES]
        for number, flags in enumerate(names):
            with self.subTest(flags=flags):
                self.synced(self.agent(f"S{number}", server, start=False, folder=f"f{number}"),
                            *flags)

    def test_wrong_ones(self):
        accepted = {"--mode": MODES, "--conflict": POLICIES}
        wrong = (("--mode", "sideways"), ("--mode", "two-way,std"), ("--mode", ""),
                 ("--mode", "keep-both"), ("--conflict", "oldest"), ("--conflict", "two-way"),
                 ("--conflict", "*.db=oldest"), ("--conflict", "*.db="), ("--conflict", ""))
        for command in ((), ("run",), ("sync",)):
            for option, value in wrong:
                for by_name in (False, True):
                    variable = "SYNCAGENT_" + option[2:].upper().replace("-", "_")
                    if by_name and not value:
                        continue  # An empty variable is as good as none.
                    with self.subTest(command=command, option=option, value=value, env=by_name):
                        directory = tempfile.mkdtemp(dir=self.base)
                        result = subprocess.run(
                            [SYNCAGENT, *command, "--server", "127.0.0.1:1",
                             *(() if by_name else (option, value)), directory],
                            env={**os.environ, **({variable: value} if by_name else {})},
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                            timeout=10)
                        self.assertEqual(2, result.returncode, result.stdout + result.stderr)
                        said = variable if by_name else option
                        for word in (said, value, *accepted[option]):
                            self.assertIn(word, result.stderr)
                        self.assertEqual([], os.listdir(directory))


if __name__ == "__main__":
    unittest.main()
