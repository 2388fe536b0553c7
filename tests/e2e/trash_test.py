"""The trash: what is replaced and deleted is kept, up to its limits."""
import os
import subprocess
import time
import unittest

import harness
from harness import wait_until

MIB = 1 << 20


class TrashTest(harness.SyncTestCase):
    def trash(self, agent):
        """The names that are kept, oldest first, as people gave them."""
        directory = agent.path(".syncagent/trash")
        names = sorted(os.listdir(directory),
                       key=lambda name: os.lstat(os.path.join(directory, name)).st_ctime_ns)
        return [name.split("-", 2)[2] for name in names]

    def delete(self, a, b, name):
        os.unlink(a.path(name))
        wait_until(lambda: not os.path.exists(b.path(name)), f"{name} is deleted there")

    def test_the_oldest_go_while_it_runs(self):
        server = self.server()
        a = self.agent("A", server)
        b = self.agent("B", server, flags=("--trash-size", "2500k"))
        names = [f"f{i}" for i in range(5)]
        for name in names:
            a.write(name, os.urandom(MIB))
        a.write("large", os.urandom(4 * MIB))
        self.converge(a, b)
        for name in names:
            self.delete(a, b, name)
        wait_until(lambda: self.trash(b) == ["f3", "f4"], "the oldest went", 90)
        # What came last stays even when it alone is more.
        self.delete(a, b, "large")
        wait_until(lambda: self.trash(b) == ["large"], "all but the last went", 90)
        self.assertIn("from the trash", b.process.output())
        a.write("after", "x")
        self.arrives(b, "after", "x")
        self.assertEqual(["large"], self.trash(b))

    def test_limits_hold_at_start(self):
        server = self.server()
        a = self.agent("A", server)
        a.write("doc", "x")
        wait_until(a.in_sync, "in sync")
        a.stop()
        now = int(time.time())
        for days in (0, 1, 3, 8, 40):
            a.write(f".syncagent/trash/{now - days * 86400 - 60}-00000000-{days}", b"x" * MIB)
        a.flags = ("--trash-days", "off")
        a.start()
        wait_until(a.in_sync, "in sync")
        self.assertEqual(5, len(self.trash(a)))
        a.stop()
        a.flags = ()
        a.start()
        wait_until(lambda: "40" not in self.trash(a), "30 days are kept")
        self.assertEqual({"0", "1", "3", "8"}, set(self.trash(a)))
        a.stop()
        a.flags = ("--trash-days", "7", "--trash-size", "2M")
        a.start()
        wait_until(lambda: set(self.trash(a)) == {"0", "1"}, "both limits hold")

    def test_wrong_limits_are_refused(self):
        for flags in (("--trash-days", "0"), ("--trash-days", "x"), ("--trash-size", "0"),
                      ("--trash-size", "10X")):
            result = subprocess.run([harness.SYNCAGENT, *flags, self.base], capture_output=True,
                                    check=False, timeout=30)
            self.assertEqual(2, result.returncode, flags)
            self.assertIn(flags[0].encode(), result.stderr)


if __name__ == "__main__":
    unittest.main()
