"""Bases that are older than the files: a power cut took the state's end, or it was put back.

What the folder had already is no edit: nothing that was deleted elsewhere comes back, and nobody
gets a conflict copy of what only one host changed.
"""
import os
import shutil
import unittest

import harness
from harness import wait_until


class BehindTest(harness.SyncTestCase):
    def state_file(self, agent, suffix=""):
        return agent.path(f".syncagent/state.db{suffix}")

    def keep_state(self, agent):
        """A copy of the state of an agent that does not run."""
        copy = os.path.join(self.base, agent.name + "-state")
        os.makedirs(copy)
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(self.state_file(agent, suffix)):
                shutil.copy2(self.state_file(agent, suffix), copy)
        return copy

    def put_back_state(self, agent, copy):
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(self.state_file(agent, suffix)):
                os.unlink(self.state_file(agent, suffix))
        for name in os.listdir(copy):
            shutil.copy2(os.path.join(copy, name), agent.path(".syncagent"))

    def files(self, agent):
        return sorted(os.fsdecode(path) for path, state in harness.snapshot(agent.dir).items()
                      if state[0] != "dir")

    def set_out(self, names, content="v1", flags=()):
        server = self.server()
        a = self.agent("A", server)
        b = self.agent("B", server, flags=flags)
        for name in names:
            a.write(name, f"{content} of {name}")
        self.converge(a, b)
        return server, a, b

    def test_receiver(self):
        for policy in ("keep-both", "keep-local", "newest"):
            with self.subTest(policy=policy):
                self.receiver(policy)

    def receiver(self, policy):
        base = self.base
        self.base = os.path.join(base, policy)
        os.mkdir(self.base)
        names = ["edited", "deleted", "untouched", "dir/edited", "dir/deleted"]
        server, a, b = self.set_out(names, flags=("--conflict", policy))
        b.stop()
        state = self.keep_state(b)
        b.start()
        for name in names:
            a.write(name, f"v2 of {name}")
        os.symlink("target 1", a.path("link"))
        self.converge(a, b)
        self.told(server)
        b.kill()
        self.put_back_state(b, state)
        for name in ("edited", "dir/edited"):
            a.write(name, f"v3 of {name}")
        for name in ("deleted", "dir/deleted"):
            os.unlink(a.path(name))
        os.unlink(a.path("link"))
        os.symlink("target 2", a.path("link"))
        wait_until(a.in_sync, "A has told it")
        b.start()
        self.converge(a, b)
        self.assertEqual(["dir/edited", "edited", "link", "untouched"], self.files(a))
        self.assertEqual(b"v3 of edited", b.read("edited"))
        self.assertEqual(b"v3 of dir/edited", b.read("dir/edited"))
        self.assertEqual("target 2", os.readlink(b.path("link")))
        for agent in (a, b):
            agent.stop()
        self.base = base

    def test_sender(self):
        """The server knows later batches of this agent than its state does."""
        names = [f"f{number}" for number in range(10)]
        server, a, b = self.set_out(names)
        b.stop()
        state = self.keep_state(b)
        b.start()
        b.write("f0", "second of f0, by B")
        b.write("f1", "second of f1, by B")
        b.write("new", "made by B")
        self.converge(a, b)
        self.told(server)
        b.kill()
        self.put_back_state(b, state)
        for name in names[5:]:
            os.unlink(a.path(name))
        a.write("f0", "third of f0, by A")
        os.unlink(a.path("f1"))
        os.unlink(a.path("new"))
        wait_until(a.in_sync, "A has told it")
        b.start()
        self.converge(a, b)
        self.assertEqual(["f0", "f2", "f3", "f4"], self.files(a))
        self.assertEqual(b"third of f0, by A", b.read("f0"))

    def test_an_edit_is_still_one(self):
        """What the folder never had is kept, as ever."""
        server, a, b = self.set_out(["file", "gone"])
        b.stop()
        state = self.keep_state(b)
        b.start()
        for name in ("file", "gone"):
            a.write(name, f"v2 of {name}")
        self.converge(a, b)
        self.told(server)
        b.kill()
        self.put_back_state(b, state)
        a.write("file", "v3 of file")
        os.unlink(a.path("gone"))
        wait_until(a.in_sync, "A has told it")
        for name in ("file", "gone"):
            b.write(name, f"B's edit of {name}")
        b.start()
        self.converge(a, b)
        held = {name: a.read(name) for name in self.files(a)}
        self.assertEqual(b"v3 of file", held.pop("file"))
        self.assertEqual(b"B's edit of gone", held.pop("gone"))
        self.assertEqual([b"B's edit of file"], list(held.values()), "a conflict copy")

    def test_a_file_that_is_made_again_stays(self):
        """Somebody brings back what was deleted: it is new, though history knows its content."""
        _, a, b = self.set_out(["file", "other"])
        content = a.read("file")
        os.unlink(a.path("file"))
        self.converge(a, b)
        b.write("file", content)
        self.arrives(a, "file", content)
        # And who goes back to an older version means it.
        a.write("other", "v2 of other")
        self.arrives(b, "other", "v2 of other")
        b.write("other", "v1 of other")
        self.arrives(a, "other", "v1 of other")
        self.converge(a, b)
        self.assertEqual(["file", "other"], self.files(a))

    def test_who_was_offline_means_what_he_made(self):
        """The folder had the same in between, but this agent never did: nobody was behind."""
        _, a, b = self.set_out(["flip", "there and back", "moved", "gone"])
        b.write("again", "made once")
        self.arrives(a, "again", "made once")
        os.unlink(a.path("again"))
        self.converge(a, b)
        b.stop()
        a.write("flip", "other")
        self.settled(a)
        a.write("flip", "third")
        a.write("there and back", "other")
        self.settled(a)
        a.write("there and back", "v1 of there and back")
        a.write("new", "the same")
        a.write("gone", "other")
        shutil.copy2(a.path("moved"), a.path("copy"))
        self.settled(a)
        os.unlink(a.path("new"))
        os.unlink(a.path("gone"))
        os.unlink(a.path("copy"))
        a.write("again", "made anew")
        self.settled(a)
        b.write("flip", "other")
        b.write("there and back", "other")
        b.write("new", "the same")
        b.write("gone", "other")
        b.write("again", "made once")
        os.rename(b.path("moved"), b.path("copy"))
        b.start()
        self.converge(a, b)
        held = {name: a.read(name) for name in self.files(a)}
        copies = sorted(held.pop(name) for name in list(held) if ".conflict-" in name)
        self.assertEqual([b"made once", b"other"], copies)
        self.assertEqual({"flip": b"third", "there and back": b"other", "new": b"the same",
                          "gone": b"other", "again": b"made anew",
                          "copy": b"v1 of moved"}, held)

    def told(self, server):
        """The server knows how far each agent is."""
        wait_until(lambda: server.metric("filesync_agent_lag_versions") == 0, "all is acknowledged")

    def settled(self, agent):
        wait_until(agent.in_sync, f"{agent.name} has told it")

    def test_two_hosts_with_one_state(self):
        """A machine is cloned, and both go on: each keeps what it has, by an id of its own."""
        server, a, b = self.set_out(["file"])
        b.stop()
        clone = self.agent("C", server, start=False, directory=os.path.join(self.base, "C"))
        shutil.rmtree(clone.dir)
        shutil.copytree(b.dir, clone.dir, symlinks=True)
        b.start()
        clone.start()
        b.write("by-b", "B")
        clone.write("by-c", "C")
        self.converge(a, b, clone, deadline=180)
        self.assertEqual(["by-b", "by-c", "file"], self.files(a))


if __name__ == "__main__":
    unittest.main()
