"""What a host that stops without notice does to files that were in step is no edit."""
import os
import shutil
import sqlite3
import unittest

import outcomes
from harness import wait_until
from outcomes import contents

TEXT = b"a text that is longer than a block\n" * 100


class HostStopTest(outcomes.OutcomesTestCase):
    FILES = {"shorter": TEXT, "empty": TEXT, "zeros": TEXT, "small/zeros": b"small", "whole": TEXT,
             "edited": TEXT, "edited-shorter": TEXT, "changed-there": TEXT, "deleted-there": TEXT}

    def agree(self):
        server = self.server()
        a, b = (self.agent(name, server) for name in "AB")
        for path, data in self.FILES.items():
            a.write(path, data)
        self.converge(a, b)
        return a, b

    def damage(self, agent):
        """Under the times of the last saves; and two edits, which have their own."""
        for path, size, zeros in (("shorter", 700, 0), ("empty", 0, 0), ("zeros", 2000, 1500),
                                  ("small/zeros", 0, 5), ("changed-there", 10, 0),
                                  ("deleted-there", 10, 0)):
            info = os.stat(agent.path(path))
            with open(agent.path(path), "r+b") as file:
                file.truncate(size)
                file.seek(0, os.SEEK_END)
                file.write(bytes(zeros))
            os.utime(agent.path(path), ns=(info.st_atime_ns, info.st_mtime_ns))
        agent.write("edited", b"edited")
        agent.write("edited-shorter", TEXT[:100])

    def another_boot(self, agent):
        """The state as it would be found after the host came up again."""
        state = sqlite3.connect(os.path.join(agent.dir, ".syncagent", "state.db"))
        with state:
            changed = state.execute("UPDATE meta SET value = 'another boot' WHERE key = 'boot' "
                                    "AND length(value) > 0").rowcount
        state.close()
        return changed

    def test_the_folders_version_is_restored(self):
        a, b = self.agree()
        a.kill()
        self.assertEqual(1, self.another_boot(a))
        self.damage(a)
        b.write("changed-there", b"changed there")
        os.unlink(b.path("deleted-there"))
        wait_until(b.in_sync, "B is in sync")
        a.start()
        expected = {**self.FILES, "edited": b"edited", "edited-shorter": TEXT[:100],
                    "changed-there": b"changed there", "small": "directory"}
        del expected["deleted-there"]
        self.converge(a, b)
        self.assertEqual(expected, contents(b))
        self.assertEqual(expected, contents(a))
        for damaged in (TEXT[:700], b"", bytes(5), TEXT[:10]):
            self.assertTrue(self.in_trash(a, damaged), damaged[:20])
        self.assertIn("damaged when the host stopped", a.process.output())
        # Everything was looked at: from now on a person may do as they like.
        info = os.stat(a.path("whole"))
        os.truncate(a.path("whole"), 10)
        os.utime(a.path("whole"), ns=(info.st_atime_ns, info.st_mtime_ns))
        self.arrives(b, "whole", TEXT[:10])

    def test_what_is_missing_is_restored(self):
        for path in ("tree/deep/one", "tree/two", "moved", "gone-later"):
            self.FILES = {**self.FILES, path: path.encode() * 300}
        a, b = self.agree()
        a.kill()
        self.assertEqual(1, self.another_boot(a))
        for path in ("whole", "edited", "zeros", "shorter"):
            os.unlink(a.path(path))
        shutil.rmtree(a.path("tree"))
        os.rename(a.path("moved"), a.path("new-name"))
        # More than the brake lets go: nobody is asked about what nobody did.
        for number in range(30):
            b.write(f"many/{number}", TEXT)
        wait_until(b.in_sync, "B is in sync")
        b.write("edited", b"edited there")
        os.unlink(b.path("shorter"))
        wait_until(b.in_sync, "B is in sync")
        a.start()
        self.converge(a, b)
        found = contents(a)
        for path in ("whole", "zeros", "tree/deep/one", "tree/two"):
            self.assertEqual(self.FILES[path], found[path], path)
        self.assertEqual(b"edited there", found["edited"])
        self.assertNotIn("shorter", found)
        # A rename is one all the same.
        self.assertEqual(self.FILES["moved"], found["new-name"])
        self.assertNotIn("moved", found)
        self.assertEqual([], [path for path in found if ".conflict" in path])
        self.assertIn("whole: it was lost when the host stopped", a.process.output())
        # All was looked at: what is gone from now on was deleted.
        os.unlink(a.path("gone-later"))
        wait_until(lambda: not os.path.lexists(b.path("gone-later")), "it is deleted", 60)

    def test_suspicion_waits_for_the_server(self):
        a, b = self.agree()
        b.stop()
        a.kill()
        self.another_boot(a)
        self.damage(a)
        self.servers[0].process.stop()
        for end in (a.kill, a.stop):
            a.start()
            wait_until(lambda: a.status().get("state", "").startswith("offline"), "A is offline")
            end()
        self.servers[0].start()
        a.start()
        wait_until(a.in_sync, "A is in sync")
        self.assertEqual(TEXT, a.read("zeros"))
        self.assertEqual(b"edited", a.read("edited"))

    def test_an_agent_that_was_killed_or_stopped_suspects_nothing(self):
        a, b = self.agree()
        for end, boots in ((a.kill, False), (a.stop, True)):
            end()
            if boots:
                self.assertEqual(0, self.another_boot(a))
            info = os.stat(a.path("whole"))
            size = info.st_size - 500
            os.truncate(a.path("whole"), size)
            os.utime(a.path("whole"), ns=(info.st_atime_ns, info.st_mtime_ns))
            a.start()
            self.arrives(b, "whole", TEXT[:size])

    def test_a_dry_run_tells(self):
        a, b = self.agree()
        b.stop()
        a.kill()
        self.another_boot(a)
        self.damage(a)
        plan = self.sync(a, "--dry-run")
        self.assertRegex(plan.stdout, r"(?m)zeros.*damaged when the host stopped")
        self.synced(a)
        self.assertEqual(TEXT, a.read("zeros"))
        self.assertEqual(0, self.another_boot(a))


if __name__ == "__main__":
    unittest.main()
