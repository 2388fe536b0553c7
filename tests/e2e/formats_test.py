"""What released versions left is opened by this one: a server's store, and an agent's state whose
bases still hold. tests/vectors/README.md says what is in them."""
import os
import sqlite3
import subprocess
import unittest

import harness
import outcomes
from harness import SYNCAGENT, wait_until
from outcomes import contents

VECTORS = os.path.join(harness.ROOT, "tests", "vectors")
TREE = {"one": b"one, edited\n", "d": "directory", "d/two": b"two\n", "link": b"one, edited\n"}


class FormatsTest(outcomes.OutcomesTestCase):
    def unpack(self, version, name, where):
        os.makedirs(where, exist_ok=True)
        subprocess.run(["tar", "-xzf", os.path.join(VECTORS, version, name + ".tar.gz"), "-C", where,
                        "--no-same-owner"], check=True)

    def server_of(self, version):
        """As if its data directory had always been there."""
        self.unpack(version, "syncd", os.path.join(self.base, version))
        os.rename(os.path.join(self.base, version, "data"),
                  os.path.join(self.base, version, "server-data"))
        return self.server(directory=os.path.join(self.base, version))

    def agent_of(self, version, server):
        """As if its state had been made for this directory."""
        agent = self.agent("vector", server, start=False,
                           directory=os.path.join(self.base, version, "root"),
                           flags=("--rebind", "--yes", "--max-delete", "off"))
        agent.write("one", TREE["one"])
        agent.write("d/two", TREE["d/two"])
        os.symlink("one", agent.path("link"))
        state = agent.path(".syncagent")
        self.unpack(version, "syncagent", state)
        os.chmod(state, 0o700)
        with open(os.path.join(state, "root-id"), encoding="ascii") as file:
            key = bytes.fromhex(file.read().strip())
        info = os.stat(agent.dir)
        key += info.st_dev.to_bytes(8, "big") + info.st_ino.to_bytes(8, "big")
        database = sqlite3.connect(os.path.join(state, "state.db"))
        with database:
            # Devices are kept by number where the root is.
            [[root]] = database.execute("SELECT value FROM meta WHERE key = 'root'")
            if len(root) == len(key):
                database.execute("UPDATE base SET device = ? WHERE device = ?",
                                 (info.st_dev, int.from_bytes(root[16:24], "big")))
            database.execute("UPDATE meta SET value = ? WHERE key = 'root'", (key,))
            for path, saved in database.execute("SELECT path, mtime FROM base WHERE mtime > 0"):
                os.utime(agent.path(os.fsdecode(path.replace(b"\0", b"/"))), ns=(saved, saved),
                         follow_symlinks=False)
        database.close()
        return agent

    def opened(self, version):
        server = self.server_of(version)
        fresh = self.agent("fresh", server, directory=os.path.join(self.base, version, "fresh"))
        wait_until(lambda: fresh.in_sync() and contents(fresh) == TREE, "the store is read")
        self.assertTrue(self.in_history(fresh, "one", b"one\n"))
        deleted = self.ask("ListEntries", folder="default", include_deleted=True).entries
        self.assertIn(("gone", "tombstone"), [(view.path, view.type) for view in deleted])
        # While the old agent was away, others and its own user worked on.
        os.unlink(fresh.path("d/two"))
        fresh.write("one", b"edited elsewhere")
        fresh.write("new", b"new")
        wait_until(fresh.in_sync, "it is in sync")
        agent = self.agent_of(version, server)
        os.unlink(agent.path("link"))
        self.restart(agent)
        self.converge(agent, fresh)
        # Its bases hold: what was deleted on either side is gone, and nothing is in conflict.
        self.assertEqual({"one": b"edited elsewhere", "d": "directory", "new": b"new"},
                         contents(agent))
        self.assertEqual(1, len([view for view in self.ask("ListAgents", folder="default").agents
                                 if view.name == "vector"]), "it keeps its id")
        result = subprocess.run([SYNCAGENT, "doctor", agent.dir], capture_output=True, text=True,
                                check=False, timeout=60)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)

    def test_each_version(self):
        versions = sorted(name for name in os.listdir(VECTORS)
                          if os.path.isdir(os.path.join(VECTORS, name)))
        self.assertLessEqual({"0.2", "0.3"}, set(versions))
        for version in versions:
            with self.subTest(version=version):
                self.opened(version)


if __name__ == "__main__":
    unittest.main()
