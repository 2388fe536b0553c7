"""A real tree, complete to the nanosecond, to agents that were there, came later, or were away."""
import os
import shutil
import unittest

import harness
from harness import wait_until


def copy_tree(source, target):
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True,
                    ignore_dangling_symlinks=True)


def add_oddities(root):
    """Names and kinds that break careless programs."""
    root = os.fsencode(root)
    os.makedirs(os.path.join(root, b"odd", b"empty", b"nested empty"))
    names = [b"with space", b"new\nline", "käse-東京-😀".encode(), b"\xff\xfe not utf-8",
             b"x" * 255, b"-rf", b"*?[", b"back\\slash", b"'\"$(`", b" lead", b"trail ", b"%41",
             b"..hidden", b".dot", b"tab\tname", b"\x01control"]
    for number, name in enumerate(names):
        path = os.path.join(root, b"odd", name)
        with open(path, "wb") as file:
            file.write(b"%d" % number)
        os.chmod(path, [0o644, 0o600, 0o755, 0o444, 0o640][number % 5])
        os.utime(path, ns=(1, 1_000_000_000_123_456_789 + number))
    os.symlink(b"with space", os.path.join(root, b"odd", b"link"))
    os.symlink(b"/nowhere/at all", os.path.join(root, b"odd", b"dangling absolute"))
    os.symlink(b"\xff\xfe", os.path.join(root, b"odd", b"link to bytes"))
    os.symlink(b"../..", os.path.join(root, b"odd", b"link upwards"))
    open(os.path.join(root, b"odd", b"empty file"), "wb").close()
    # Before 1970, and at the end of a second.
    os.utime(os.path.join(root, b"odd", b"empty file"), ns=(1, -1_500_000_001))
    os.chmod(os.path.join(root, b"odd", b"empty"), 0o700)


class RealTreeTest(harness.SyncTestCase):
    def test_real_tree(self):
        server = self.server()
        a = self.agent("A", server, start=False)
        for source in ("/usr/include", "/usr/share/doc"):
            copy_tree(source, a.path(source.replace("/", "_")))
        add_oddities(a.dir)
        tree = harness.snapshot(a.dir)
        a.start()
        b = self.agent("B", server)
        self.converge(a, b, deadline=400)
        self.assertEqual({path: state[:4] for path, state in tree.items()},
                         {path: state[:4] for path, state in harness.snapshot(a.dir).items()},
                         "the source is untouched")
        self.assertGreater(len(tree), 5000)

        with self.subTest("a third agent that joins later gets all of it"):
            c = self.agent("C", server)
            self.converge(a, c, deadline=400)

        with self.subTest("an agent that was away catches up with 5,000 changes"):
            b.stop()
            files = [os.fsdecode(path) for path, state in tree.items() if state[0] == "file"]
            for number, name in enumerate(files[:2000]):
                a.write(name, "changed %d" % number)
            for name in files[2000:3000]:
                os.unlink(a.path(name))
            for number in range(2000):
                a.write(f"made/{number % 20}/{number}", str(number))
            wait_until(lambda: c.read("made/19/1999") == b"1999", "C follows", 120)
            b.start()
            self.converge(a, b, c, deadline=400)
        self.no_leftovers(a, b, c)


if __name__ == "__main__":
    unittest.main()
