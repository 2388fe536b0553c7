"""Conflict policies: every cell of their table, seen from both sides."""
import os
import re
import time
import unittest

import outcomes
from harness import wait_until
from outcomes import below, contents, soon, with_directories

POLICIES = ("newest", "keep-local", "keep-remote", "keep-both", "manual")
# Local change, remote change, and what both sides hold in the end, by policy in the order above:
# L the local content, R the remote one, B the base, - nothing, 2 both (one as a conflict copy),
# H held: each side keeps its own. A change is edit@SECONDS (mtime, from now), delete or nothing.
CONFLICTS = {
    "unchanged-unchanged": ("", "", "BBBBB"),
    "unchanged-changed": ("", "edit@-50", "RRRRR"),
    "unchanged-deleted": ("", "delete", "-----"),
    "changed-unchanged": ("edit@-50", "", "LLLLL"),
    "changed-alike": ("alike@-50", "alike@-90", "EEEEE"),
    "changed-changed-local-newer": ("edit@-50", "edit@-90", "LLR2H"),
    "changed-changed-remote-newer": ("edit@-90", "edit@-50", "RLR2H"),
    "changed-changed-tie": ("edit@-50", "edit@-50", "RLR2H"),
    # An mtime of the future counts as the time of receipt, which is before the other side's.
    "changed-changed-remote-of-the-future": ("edit@+120", "edit@+7200", "LLR2H"),
    "changed-changed-local-of-the-future": ("edit@+7200", "edit@+120", "RLR2H"),
    "changed-deleted": ("edit@-50", "delete", "LL-LH"),
    "deleted-unchanged": ("delete", "", "-----"),
    "deleted-changed": ("delete", "edit@-50", "R-RRH"),
    "deleted-deleted": ("delete", "delete", "-----"),
    "created-alike": ("alike@-50", "alike@-90", "EEEEE"),
    "created-created": ("edit@-50", "edit@-90", "LLR2H"),
}
COPY = re.compile(r"\.conflict-\d{8}-\d{6}-[LR]\.txt$")


class ConflictTableTest(outcomes.OutcomesTestCase):
    """One pair of agents per policy: L, which has it and was away, and R, which committed first."""

    def version(self, cell, change):
        """What a side holds after its change."""
        kind, _, side = change.partition(":")
        return {"": f"base of {cell}", "delete": None, "alike": f"alike at {cell}, both",
                "edit": f"edited at {side}{side == 'R' and ', the remote' or ''}: {cell}"}[kind]

    def change(self, agent, path, change, now):
        kind, _, after = change.partition("@")
        data = self.version(path, f"{kind}:{agent.name}")
        if kind == "delete":
            self.remove(agent, path)
        elif kind:
            self.save(agent, path, data.encode(), now + int(after) * 1_000_000_000)

    def judge(self, cell, code, left, right, why):
        """The cell's paths on both sides, against what the table's letter says."""
        path = cell + ".txt"
        local, remote = CONFLICTS[cell][:2]
        ends = {"L": self.version(path, "edit:L"), "R": self.version(path, "edit:R"), "-": None,
                "B": self.version(path, ""), "E": self.version(path, "alike")}
        trees = [below(contents(agent), cell) for agent in (left, right)]
        if code == "2":
            self.assertEqual(trees[0], trees[1])
            copies = [name for name in trees[0] if name != path]
            self.assertEqual(1, len(copies), trees[0])
            self.assertRegex(copies[0], COPY)
            self.assertEqual({ends["L"].encode(), ends["R"].encode()}, set(trees[0].values()))
            return
        wanted = [ends[code]] * 2 if code != "H" else \
            [self.version(path, change.partition("@")[0] + ":" + side)
             for change, side in ((local, "L"), (remote, "R"))]
        self.assertEqual([{} if data is None else {path: data.encode()} for data in wanted], trees)
        self.assertEqual(code == "H", path in why, why)
        for side, change in (("L", local), ("R", remote)):
            if code not in (side, "H") and change.startswith("edit"):
                data = ends[side].encode()
                self.assertTrue(self.in_history(left, path, data) or self.in_trash(left, data),
                                f"the content of {side} is lost")

    def held(self, agent):
        """Paths that the status names with a reason."""
        return {item["path"]: item["reason"] for value in agent.status().values()
                if isinstance(value, list) for item in value
                if isinstance(item, dict) and item.get("path") and item.get("reason")}

    def diverge(self, cells, *flags):
        """L and R agree on a base, change it apart, R commits, L comes back; `cells` maps a path
        to its two changes."""
        server = self.server()
        left = self.agent("L", server, flags=flags)
        right = self.agent("R", server)
        for path in cells:
            if not path.startswith("created"):
                self.save(left, path, self.version(path, "").encode())
        self.save(left, "beside", b"keeps the root from being empty")
        self.converge(left, right)
        left.stop()
        right.stop()
        now = time.time_ns()
        for path, changes in cells.items():
            for agent, change in zip((left, right), changes):
                self.change(agent, path, change, now)
        self.restart(right)
        left.start()
        return left, right

    def run_policy(self, policy):
        column = POLICIES.index(policy)
        left, right = self.diverge({cell + ".txt": row[:2] for cell, row in CONFLICTS.items()},
                                   "--conflict", policy)
        wanted = {cell: row[2][column] for cell, row in CONFLICTS.items()}

        def like():
            try:
                why = self.held(left)
                for cell, code in wanted.items():
                    self.judge(cell, code, left, right, why)
            except AssertionError:
                return False
            return True
        soon(like)
        for sender, receiver in ((left, right), (right, left)):
            marker = f"marker-{sender.name}"
            self.save(sender, marker, marker.encode())
            self.arrives(receiver, marker, marker)
        for agent in (left, right) if policy != "manual" else (right,):
            wait_until(agent.in_sync, f"{agent.name} in sync")
        for cell, code in wanted.items():
            with self.subTest(policy=policy, cell=cell):
                self.judge(cell, code, left, right, self.held(left))
        return left, right, wanted

    def test_newest(self):
        self.run_policy("newest")

    def test_keep_local(self):
        self.run_policy("keep-local")

    def test_keep_remote(self):
        self.run_policy("keep-remote")

    def test_keep_both(self):
        self.run_policy("keep-both")

    def test_manual(self):
        left, right, wanted = self.run_policy("manual")
        left.stop()
        result = self.sync(left, "--conflict", "manual")
        self.assertEqual(3, result.returncode, f"{result.stdout}{result.stderr}")
        wait_until(right.in_sync, "R in sync")
        why = [cell + ".txt" for cell, code in wanted.items() if code == "H"]
        for cell, code in wanted.items():
            with self.subTest(policy="manual", cell=cell, again=True):
                self.judge(cell, code, left, right, why if code == "H" else ())

    def by_pattern(self, wanted, *flags):
        edits = ("edit@-50", "edit@-90")
        left, right = self.diverge({path: edits for path in wanted}, *flags)
        self.converge(left, right)
        for path, code in wanted.items():
            with self.subTest(flags=flags, path=path):
                stem, extension = os.path.splitext(path)
                held = {name: data for name, data in contents(right).items()
                        if name.startswith(stem + ".") and name.endswith(extension)}
                self.assertEqual({"2": 2}.get(code, 1), len(held), held)
                if code != "2":
                    self.assertEqual(self.version(path, "edit:" + code).encode(), held[path])

    def test_pattern_and_the_default(self):
        self.by_pattern({"x.db": "L", "d/y.db": "L", "x.txt": "2", "x.dbx": "2"},
                        "--conflict", "*.db=keep-local")

    def test_patterns_and_a_policy(self):
        self.by_pattern({"x.db": "L", "y.odt": "2", "z.txt": "R"}, "--conflict", "*.db=keep-local",
                        "--conflict", "keep-remote", "--conflict", "*.odt=keep-both")


if __name__ == "__main__":
    unittest.main()
