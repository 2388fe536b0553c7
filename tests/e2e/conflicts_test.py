"""Conflicts, deletions and moves between two hosts."""
import os
import shutil
import unittest

import harness
from harness import wait_until


def copies(agent, stem):
    return sorted(name for name in os.listdir(agent.dir)
                  if name.startswith(stem + ".conflict-"))


class ConflictsTest(harness.SyncTestCase):
    def test_both_edited_while_disconnected(self):
        server, a, b = self.pair()
        a.write("plan.txt", "base")
        self.arrives(b, "plan.txt", "base")
        self.converge(a, b)
        server.process.kill()
        a.write("plan.txt", "edited on A")
        b.write("plan.txt", "edited on B, later")
        server.start()
        wait_until(lambda: copies(a, "plan") and copies(b, "plan"), "a conflict copy on both")
        self.converge(a, b)
        self.assertEqual(1, len(copies(a, "plan")))
        contents = {a.read("plan.txt"), a.read(copies(a, "plan")[0])}
        self.assertEqual({b"edited on A", b"edited on B, later"}, contents)
        self.assertRegex(copies(a, "plan")[0], r"^plan\.conflict-\d{8}-\d{6}-[AB]\.txt$")

    def test_both_edited_to_the_same_bytes(self):
        _, a, b = self.pair()
        a.write("same.txt", "base")
        self.arrives(b, "same.txt", "base")
        self.converge(a, b)
        a.stop()
        b.stop()
        a.write("same.txt", "the same edit")
        b.write("same.txt", "the same edit")
        os.utime(b.path("same.txt"), ns=(1, 2_000_000_000_000_000_000))
        a.start()
        b.start()
        self.converge(a, b)
        self.assertEqual([], copies(a, "same"))
        # Of equal contents the newest metadata wins.
        self.assertEqual(2_000_000_000_000_000_000, os.stat(a.path("same.txt")).st_mtime_ns)

    def test_first_sync_merges(self):
        server = self.server()
        a = self.agent("A", server, start=False)
        b = self.agent("B", server, start=False)
        a.write("only-a", "a")
        b.write("only-b", "b")
        a.write("both", "equal")
        b.write("both", "equal")
        a.write("differ", "this")
        b.write("differ", "that")
        a.start()
        wait_until(a.in_sync, "A in sync")
        b.start()
        self.converge(a, b)
        names = [name for name in os.listdir(a.dir) if name != ".syncagent"]
        self.assertEqual(5, len(names), names)
        self.assertEqual({b"this", b"that"},
                         {a.read("differ"), a.read(copies(a, "differ")[0])})

    def test_edit_against_delete_keeps_the_edit(self):
        _, a, b = self.pair()
        a.write("else", "keeps the root from being empty")
        a.write("x/kept.txt", "base")
        self.arrives(b, "x/kept.txt", "base")
        self.converge(a, b)
        a.stop()
        b.stop()
        shutil.rmtree(a.path("x"))
        b.write("x/kept.txt", "edited")
        a.start()
        wait_until(a.in_sync, "A deleted it")
        b.start()
        self.converge(a, b)
        self.assertEqual(b"edited", a.read("x/kept.txt"))

    def test_deleted_tree_spares_what_was_just_created_in_it(self):
        _, a, b = self.pair(flags=("--max-delete", "off"))
        for i in range(40):
            a.write(f"tree/d{i % 4}/f{i}", str(i))
        a.write("else", "x")
        self.arrives(b, "tree/d3/f39", "39")
        self.converge(a, b)
        b.stop()
        b.write("tree/d1/new", "created on B")
        shutil.rmtree(a.path("tree"))
        wait_until(a.in_sync, "A deleted the tree")
        b.start()
        self.converge(a, b)
        self.assertEqual(b"created on B", a.read("tree/d1/new"))
        self.assertEqual(["d1"], os.listdir(a.path("tree")))
        self.assertEqual(["new"], os.listdir(a.path("tree/d1")))

    def test_deleted_tree(self):
        _, a, b = self.pair(flags=("--max-delete", "off"))
        for i in range(200):
            a.write(f"tree/d{i % 7}/e/f{i}", str(i))
        a.write("else", "x")
        self.arrives(b, "tree/d3/e/f199", "199")
        self.converge(a, b)
        shutil.rmtree(a.path("tree"))
        wait_until(lambda: not os.path.exists(b.path("tree")), "the tree goes on B")
        self.converge(a, b)
        self.assertEqual(b"x", b.read("else"))

    def impossible_tree(self, first, second):
        """One host makes a file of a directory while the other adds to it."""
        server, a, b = self.pair()
        a.write("d/old", "old")
        self.arrives(b, "d/old", "old")
        self.converge(a, b)
        hosts = {"A": a, "B": b}
        a.stop()
        b.stop()
        shutil.rmtree(a.path("d"))
        a.write("d", "now a file")
        b.write("d/new", "added")
        hosts[first].start()
        wait_until(hosts[first].in_sync, "the first is in sync")
        hosts[second].start()
        self.converge(a, b)
        self.assertEqual(b"added", a.read("d/new"))
        self.assertIsNone(a.read("d/old"))
        self.assertEqual([b"now a file"], [a.read(name) for name in copies(a, "d")])

    def test_impossible_tree_file_first(self):
        self.impossible_tree("A", "B")

    def test_impossible_tree_addition_first(self):
        self.impossible_tree("B", "A")

    def test_moves_are_moves(self):
        _, a, b = self.pair()
        for i in range(300):
            a.write(f"old/sub{i % 3}/f{i}", "content %d" % i)
        a.write("single", "moves too")
        self.arrives(b, "old/sub2/f299", "content 299")
        self.converge(a, b)
        directory = os.stat(b.path("old")).st_ino
        inner = os.stat(b.path("old/sub1/f1")).st_ino
        single = os.stat(b.path("single")).st_ino
        sent = a.metric("filesync_agent_bytes_sent_total")
        received = b.metric("filesync_agent_bytes_received_total")
        os.rename(a.path("old"), a.path("new"))
        os.mkdir(a.path("elsewhere"))
        os.rename(a.path("single"), a.path("elsewhere/renamed"))
        self.arrives(b, "new/sub2/f299", "content 299")
        self.arrives(b, "elsewhere/renamed", "moves too")
        self.converge(a, b)
        self.assertEqual(directory, os.stat(b.path("new")).st_ino)
        self.assertEqual(inner, os.stat(b.path("new/sub1/f1")).st_ino)
        self.assertEqual(single, os.stat(b.path("elsewhere/renamed")).st_ino)
        self.assertEqual(sent, a.metric("filesync_agent_bytes_sent_total"))
        self.assertEqual(received, b.metric("filesync_agent_bytes_received_total"))

    def test_move_while_the_agent_is_down(self):
        _, a, b = self.pair()
        for i in range(500):
            a.write(f"old/f{i}", "content %d" % i)
        self.arrives(b, "old/f499", "content 499")
        self.converge(a, b)
        inner = os.stat(b.path("old/f7")).st_ino
        a.stop()
        os.rename(a.path("old"), a.path("new"))
        a.start()
        self.arrives(b, "new/f499", "content 499")
        self.converge(a, b)
        self.assertEqual(0, a.metric("filesync_agent_bytes_sent_total"))
        self.assertEqual(0, a.metric("filesync_agent_bytes_hashed_total"))
        self.assertEqual(inner, os.stat(b.path("new/f7")).st_ino)


if __name__ == "__main__":
    unittest.main()
