"""What an agent writes, and where, is for its own user to say: links and state of others are refused,
and so is a directory in which others could make an agent of root do as they like."""
import os
import pwd
import shutil
import subprocess
import unittest

import harness
from harness import SYNCAGENT


@unittest.skipUnless(os.geteuid() == 0, "needs root, to be two users")
class OwnershipTest(harness.SyncTestCase):
    def setUp(self):
        super().setUp()
        self.nobody = pwd.getpwnam("nobody")
        os.chmod(self.base, 0o755)
        self.server_ = self.server()
        self.dir = os.path.join(self.base, "dir")
        os.mkdir(self.dir)
        with open(os.path.join(self.dir, "file"), "w", encoding="utf-8") as file:
            file.write("x")
        self.victim = os.path.join(self.base, "victim")
        with open(self.victim, "w", encoding="utf-8") as file:
            file.write("precious")

    def give(self, path):
        for top, directories, files in os.walk(path):
            for name in [top, *(os.path.join(top, name) for name in directories + files)]:
                os.lchown(name, self.nobody.pw_uid, self.nobody.pw_gid)

    def sync(self, *flags, user=False):
        as_nobody = {"user": self.nobody.pw_uid, "group": self.nobody.pw_gid} if user else {}
        return subprocess.run(
            [SYNCAGENT, "sync", "--server", self.server_.address, *flags, self.dir],
            capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, "HOME": self.base}, cwd="/", **as_nobody)

    def refused(self, *said, **options):
        for dry in ((), ("--dry-run",)):
            result = self.sync(*options.get("flags", ()), *dry)
            self.assertNotEqual(0, result.returncode, (dry, result.stdout))
            for text in said:
                self.assertIn(text, result.stderr + result.stdout, dry)
        with open(self.victim, encoding="utf-8") as file:
            self.assertEqual("precious", file.read())
        self.assertFalse(os.path.exists(os.path.join(self.base, "elsewhere")))

    def works(self, *flags, **options):
        result = self.sync(*flags, **options)
        self.assertEqual(0, result.returncode, result.stderr + result.stdout)

    def test_links_in_the_state_directory(self):
        state = os.path.join(self.dir, ".syncagent")
        for name in ("state.db", "state.db-wal", "root-id", "bound-to", "lock"):
            for target in (self.victim, os.path.join(self.base, "elsewhere")):
                with self.subTest(name=name, target=target):
                    os.mkdir(state, 0o700)
                    os.symlink(target, os.path.join(state, name))
                    self.refused("symbolic link", os.path.join(state, name))
                    self.give(state)
                    self.refused(".syncagent belongs to user")
                    # Whoever lets others in does not follow them either.
                    self.refused("symbolic link", flags=("--allow-shared-root",))
                    shutil.rmtree(state)
        elsewhere = os.path.join(self.base, "theirs")
        os.mkdir(elsewhere)
        os.symlink(elsewhere, state)
        self.refused()
        self.assertEqual([], os.listdir(elsewhere))
        os.unlink(state)
        self.works()

    def test_state_of_others(self):
        state = os.path.join(self.dir, ".syncagent")
        self.works()
        os.chmod(state, 0o770)
        self.refused("can be written to by other users", "chmod 700")
        os.chmod(state, 0o700)
        self.works()
        os.chown(os.path.join(state, "state.db"), self.nobody.pw_uid, -1)
        self.refused("belongs to user")
        os.chown(state, self.nobody.pw_uid, -1)
        self.refused("belongs to user", "run it as that user")
        # The same the other way round.
        shutil.rmtree(state)
        self.works()
        os.chown(self.dir, self.nobody.pw_uid, -1)
        self.assertNotEqual(0, self.sync(user=True).returncode)

    def test_an_agent_of_root_where_others_may_write(self):
        for change in (lambda: os.chmod(self.dir, 0o777), lambda: os.chmod(self.dir, 0o770),
                       lambda: self.give(self.dir)):
            change()
            self.refused("--allow-shared-root", "root")
            os.chmod(self.dir, 0o755)
        # By its owner it is synced as ever, and by root where that is wanted.
        self.works(user=True)
        shutil.rmtree(os.path.join(self.dir, ".syncagent"))
        self.works("--allow-shared-root")


if __name__ == "__main__":
    unittest.main()
