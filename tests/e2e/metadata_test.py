"""Metadata: what is carried for each entry arrives, here, there, later, and by way of others."""
import errno
import os
import pwd
import shutil
import socket
import stat
import struct
import subprocess
import unittest

import harness
from harness import wait_until

ROOT = os.geteuid() == 0
NOBODY = 65534
MIB = 1 << 20
NANOSECONDS = {
    "before-1970": -1_234_567_890_123_456_789,
    "just-before-1970": -1,
    "epoch": 0,
    "now-ish": 1_700_000_000_987_654_321,
    "far-future": 7_258_118_400_000_000_001,  # the year 2200
}


def describe(path, xattrs=False, owner=False):
    """What one entry is, as far as it is to be carried."""
    info = os.lstat(path)
    if stat.S_ISLNK(info.st_mode):
        found = ["link", os.readlink(path), info.st_mtime_ns]
    elif stat.S_ISDIR(info.st_mode):
        found = ["dir", stat.S_IMODE(info.st_mode) & 0o777]
    else:
        with open(path, "rb") as file:
            found = ["file", stat.S_IMODE(info.st_mode) & 0o777, info.st_mtime_ns,
                     file.read() if info.st_size < MIB else info.st_size]
    if owner:
        found += [info.st_uid, info.st_gid]
    if xattrs and found[0] != "link":
        found.append({name: os.getxattr(path, name) for name in os.listxattr(path)})
    return found


def tree(root, **what):
    """{relative path: what it is} without the agent's own directory."""
    found = {}
    for directory, directories, files in os.walk(root):
        if directory == root and ".syncagent" in directories:
            directories.remove(".syncagent")
        for name in directories + files:
            path = os.path.join(directory, name)
            if stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR):
                continue
            found[os.path.relpath(path, root)] = describe(path, **what)
    return found


def takes_xattrs(directory):
    probe = os.path.join(directory, "probe")
    with open(probe, "wb"):
        pass
    try:
        os.setxattr(probe, "user.probe", b"x")
        return True
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise
        return False
    finally:
        os.unlink(probe)


class MetadataTestCase(harness.SyncTestCase):
    def same(self, *agents, deadline=60.0, **what):
        """Waits until all hold the same tree, compared by `what` as well."""
        def equal():
            try:
                trees = [tree(agent.dir, **what) for agent in agents]
            except OSError:  # it went while it was looked at
                return False
            return all(agent.in_sync() for agent in agents) and \
                all(other == trees[0] for other in trees[1:])
        try:
            wait_until(equal, "the same trees", deadline, poll=0.1)
        except AssertionError:
            trees = [tree(agent.dir, **what) for agent in agents]
            for other in trees[1:]:
                for name in sorted(trees[0].keys() | other.keys()):
                    self.assertEqual(trees[0].get(name), other.get(name), name)
            raise

    def mounted(self, name, *arguments):
        """A file system of its own; the test is skipped where that is not allowed."""
        if not ROOT:
            self.skipTest("needs root, to mount")
        directory = os.path.join(self.base, name)
        os.makedirs(directory, exist_ok=True)
        result = subprocess.run(["mount", *arguments, directory], capture_output=True, check=False)
        if result.returncode != 0:
            self.skipTest("cannot mount: " + result.stderr.decode().strip())
        # Before the agents' directories are removed.
        self.addCleanup(self.unmount, directory)
        return directory

    def unmount(self, directory):
        for agent in self.agents:
            if agent.process is not None and agent.process.running():
                agent.kill()
        subprocess.run(["umount", directory], check=False)

    def xattr_base(self):
        """A directory whose file system takes extended attributes."""
        if takes_xattrs(self.base):
            return self.base
        image = os.path.join(self.base, "image")
        with open(image, "wb") as file:
            file.truncate(64 * MIB)
        if subprocess.run(["mkfs.ext4", "-q", image], capture_output=True,
                          check=False).returncode != 0:
            self.skipTest("needs a file system with extended attributes")
        return self.mounted("ext4", "-o", "loop", image)


def build(root):
    """One of each kind that every agent carries."""
    def path(name):
        return os.path.join(root, name)

    for mode in (0o400, 0o444, 0o600, 0o644, 0o755, 0o777) + ((0o000,) if ROOT else ()):
        name = f"mode-{mode:04o}"
        with open(path(name), "wb") as file:
            file.write(name.encode())
        os.chmod(path(name), mode)
        os.mkdir(path("dir-" + name))
        if mode & 0o300 == 0o300 or ROOT:
            with open(path(f"dir-{name}/inside"), "wb") as file:
                file.write(b"inside")
        os.chmod(path("dir-" + name), mode | (0 if ROOT else 0o500))
    for name, moment in NANOSECONDS.items():
        with open(path("time-" + name), "wb") as file:
            file.write(name.encode())
        os.utime(path("time-" + name), ns=(0, moment))
        os.symlink("time-" + name, path("link-time-" + name))
        os.utime(path("link-time-" + name), ns=(0, moment), follow_symlinks=False)
    with open(path("sparse"), "wb") as file:
        file.truncate(300 * MIB)
        file.seek(123 * MIB + 7)
        file.write(b"in the middle")
    os.symlink("nowhere/at/all", path("link-dangling"))
    os.symlink("/etc/hostname", path("link-absolute"))
    os.symlink("mode-0644", path("link-relative"))
    os.symlink("dir-mode-0755", path("link-to-directory"))
    os.symlink(b"../\xff\xfe odd", os.fsencode(path("link-odd")))
    os.makedirs(path("empty/deep/er"))
    with open(path("hard-1"), "wb") as file:
        file.write(b"two names")
    os.link(path("hard-1"), path("hard-2"))
    with open(os.fsencode(root) + b"/odd \xff\n name", "wb") as file:
        file.write(b"odd")


def build_specials(root):
    """What is skipped. Returns the names."""
    names = ["fifo", "socket"]
    os.mkfifo(os.path.join(root, "fifo"))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(root, "socket"))
    listener.close()
    if ROOT:
        os.mknod(os.path.join(root, "device"), 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        names.append("device")
    return names


class EveryKindTest(MetadataTestCase):
    def blocks(self, agent, name="sparse"):
        return os.stat(agent.path(name)).st_blocks * 512

    def test_one_of_each_arrives_and_so_does_a_change_of_each(self):
        server = self.server()
        a = self.agent("A", server, start=False)
        build(a.dir)
        specials = build_specials(a.dir)
        a.start()
        b = self.agent("B", server)
        self.same(a, b)
        # Hard links are separate files there.
        self.assertEqual(1, os.stat(b.path("hard-1")).st_nlink)
        self.assertLess(self.blocks(b), 8 * MIB)
        self.assertEqual(300 * MIB, os.stat(b.path("sparse")).st_size)

        for entry in os.scandir(a.dir):
            if entry.name.startswith("mode-"):
                os.chmod(entry.path, 0o640)
            elif entry.name.startswith("dir-mode-"):
                os.chmod(entry.path, 0o750)
            elif entry.name.startswith("time-"):
                os.utime(entry.path, ns=(0, entry.stat().st_mtime_ns + 1))
        with open(a.path("sparse"), "r+b") as file:
            file.seek(250 * MIB)
            file.write(b"more")
            file.truncate(400 * MIB)
        for name in ("link-dangling", "link-absolute", "link-to-directory"):
            os.unlink(a.path(name))
            os.symlink("changed-" + name, a.path(name))
        with open(a.path("hard-2"), "ab") as file:
            file.write(b", one file")
        os.rmdir(a.path("empty/deep/er"))
        self.same(a, b)
        self.assertLess(self.blocks(b), 8 * MIB)
        self.assertEqual(b"two names, one file", b.read("hard-2"))

        c = self.agent("C", server)
        self.same(a, c)
        self.assertLess(self.blocks(c), 8 * MIB)
        for name in specials:
            self.assertFalse(os.path.lexists(b.path(name)))
        self.no_leftovers(a, b, c)

    def test_what_is_no_file_is_said_once(self):
        _, a, b = self.pair()
        a.write("first", "x")
        self.arrives(b, "first", "x")
        names = build_specials(a.dir)
        for name in names:
            wait_until(lambda name=name: f"skipped {name}" in a.process.output(),
                       f"{name} is said while the agent runs")
        for name in names:
            os.utime(a.path(name))
        a.write("proof", "x")
        self.arrives(b, "proof", "x")
        self.assertEqual([1] * len(names),
                         [a.process.output().count(f"skipped {name}:") for name in names])
        os.rename(a.log, a.log + ".first")
        a.stop()
        a.start()
        wait_until(a.in_sync, "in sync again")
        self.assertEqual([1] * len(names),
                         [a.process.output().count(f"skipped {name}:") for name in names])

    def test_a_huge_hole_takes_neither_time_nor_space(self):
        _, a, b = self.pair()
        with open(a.path("huge"), "wb") as file:
            file.truncate(1 << 40)
            file.seek(1 << 39)
            file.write(b"the middle")
        wait_until(lambda: os.path.exists(b.path("huge")), "the file arrives", 120)
        self.assertEqual(1 << 40, os.stat(b.path("huge")).st_size)
        self.assertLess(self.blocks(b, "huge"), 8 * MIB)
        with open(b.path("huge"), "rb") as file:
            file.seek(1 << 39)
            self.assertEqual(b"the middle", file.read(10))

    @unittest.skipUnless(ROOT, "needs root, to be another user")
    def test_an_unreadable_file_is_left_alone(self):
        os.chmod(self.base, 0o755)
        directory = os.path.join(self.base, "A")
        os.makedirs(directory)
        os.chown(directory, NOBODY, NOBODY)
        server = self.server()
        a = self.agent("A", server, start=False, user=NOBODY, group=NOBODY, extra_groups=[])
        a.write("secret", "not to be read")
        os.chmod(a.path("secret"), 0o600)
        a.write("open", "for all")
        a.start()
        b = self.agent("B", server)
        self.arrives(b, "open", "for all")
        wait_until(lambda: any(f["path"] == "secret" for f in a.status().get("failedPaths", [])),
                   "status says that it can't be read")
        self.assertFalse(os.path.exists(b.path("secret")))

    def test_directories_that_nobody_may_write_to(self):
        """As a module cache is; and not by root, whom no mode stops."""
        os.chmod(self.base, 0o755)
        directory = os.path.join(self.base, "B")
        os.makedirs(directory)
        user = {}
        if ROOT:
            os.chown(directory, NOBODY, NOBODY)
            user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        server = self.server()
        a = self.agent("A", server, start=False)
        modes = {"cache": 0o755, "cache/one": 0o555, "cache/one/sub": 0o555, "cache/two": 0o555}

        def seal(agent, mode=None):
            for name in sorted(modes, reverse=True):
                if os.path.isdir(agent.path(name)):
                    os.chmod(agent.path(name), modes[name] if mode is None else mode)

        def sealed(agent):
            return {name: stat.S_IMODE(os.lstat(agent.path(name)).st_mode) for name in modes}

        a.write("beside", "stays")
        a.write("cache/two/other", "other")
        for name in ("cache/one/file", "cache/one/goes", "cache/one/moves", "cache/one/sub/deep"):
            a.write(name, name)
            os.chmod(a.path(name), 0o444)
        os.symlink("file", a.path("cache/one/link"))
        seal(a)
        a.start()
        b = self.agent("B", server, start=False, **user)
        b.start()
        self.same(a, b)
        os.chmod(b.path("cache/two"), 0o2555)
        # An edit, a new file, a new directory, a rename to another directory, and deletions.
        a.stop()
        seal(a, 0o755)
        for name, data in (("cache/one/file", "edited"), ("cache/two/new", "new"),
                           ("cache/one/sub/made/x", "x")):
            if os.path.exists(a.path(name)):
                os.chmod(a.path(name), 0o644)
            a.write(name, data)
        os.rename(a.path("cache/one/moves"), a.path("cache/two/moved"))
        os.unlink(a.path("cache/one/goes"))
        os.unlink(a.path("cache/one/link"))
        os.symlink("sub", a.path("cache/one/link"))
        seal(a)
        a.start()
        self.same(a, b)
        self.assertEqual(modes, sealed(a))
        self.assertEqual({**modes, "cache/two": 0o2555}, sealed(b))
        # One of them gets another parent, which only its owner may do, and all of it goes.
        a.stop()
        os.mkdir(a.path("cache/of"))
        seal(a, 0o755)
        os.rename(a.path("cache/two"), a.path("cache/of/two"))
        os.chmod(a.path("cache/of/two"), 0o555)
        modes["cache/of/two"] = modes.pop("cache/two")
        seal(a)
        a.start()
        self.same(a, b)
        self.assertEqual({**modes, "cache/of/two": 0o2555}, sealed(b))
        a.stop()
        seal(a, 0o755)
        shutil.rmtree(a.path("cache"))
        a.start()
        self.same(a, b)
        self.assertFalse(os.path.exists(b.path("cache")))


FLAGS = ("--preserve", "owner,xattr")


class PreserveTest(MetadataTestCase):
    def setUp(self):
        super().setUp()
        self.on = self.xattr_base()

    def preserving(self, name, server, flags=FLAGS, **options):
        return self.agent(name, server, directory=os.path.join(self.on, name), flags=flags,
                          **options)

    def build(self, agent):
        agent.write("file", "content")
        os.setxattr(agent.path("file"), "user.comment", b"a comment\0 with a NUL")
        os.setxattr(agent.path("file"), "user.empty", b"")
        os.makedirs(agent.path("dir"))
        os.setxattr(agent.path("dir"), "user.dir", b"of a directory")
        agent.write("plain", "without")
        agent.write("read-only", "no write permission")
        os.setxattr(agent.path("read-only"), "user.too", b"is set")
        os.chmod(agent.path("read-only"), 0o400)
        os.symlink("file", agent.path("link"))
        if ROOT:
            for number, name in enumerate(("file", "dir", "link")):
                os.chown(agent.path(name), NOBODY, 54321 + number, follow_symlinks=False)
            os.setxattr(agent.path("plain"), "security.capability",
                        bytes.fromhex("0100000200040000000000000000000000000000"))

    def test_arrives_changes_and_reaches_who_joins_later(self):
        server = self.server()
        a = self.preserving("A", server, start=False)
        self.build(a)
        a.start()
        b = self.preserving("B", server)
        everything = {"xattrs": True, "owner": True}
        self.same(a, b, **everything)
        # Nothing but attributes changes.
        os.setxattr(a.path("file"), "user.comment", b"another")
        os.removexattr(a.path("file"), "user.empty")
        os.setxattr(a.path("dir"), "user.dir", b"changed")
        os.setxattr(b.path("read-only"), "user.from-b", b"back")
        self.same(a, b, **everything)
        self.assertEqual(b"another", os.getxattr(b.path("file"), "user.comment"))
        self.assertEqual(b"back", os.getxattr(a.path("read-only"), "user.from-b"))
        if ROOT:
            os.chown(a.path("plain"), 12, 34)
            os.chown(a.path("dir"), 56, 78)
            os.chown(a.path("link"), 1, 2, follow_symlinks=False)
            self.same(a, b, **everything)
        # Renames carry on.
        os.rename(a.path("dir"), a.path("renamed"))
        os.rename(a.path("file"), a.path("renamed/file"))
        self.same(a, b, **everything)
        os.unlink(a.path("read-only"))
        c = self.preserving("C", server)
        self.same(a, b, c, **everything)

    def test_an_acl_arrives(self):
        server = self.server()
        a = self.preserving("A", server)
        b = self.preserving("B", server)
        a.write("file", "x")
        nobody_else = 0xffffffff
        acl = struct.pack("<I", 2) + b"".join(
            struct.pack("<HHI", *entry) for entry in (
                (0x01, 6, nobody_else), (0x02, 4, 12345), (0x04, 4, nobody_else),
                (0x10, 4, nobody_else), (0x20, 0, nobody_else)))
        try:
            os.setxattr(a.path("file"), "system.posix_acl_access", acl)
        except OSError as error:
            self.skipTest(f"no ACLs here: {error}")
        wait_until(lambda: os.path.exists(b.path("file")) and
                   "system.posix_acl_access" in os.listxattr(b.path("file")), "the ACL arrives")
        self.same(a, b, xattrs=True)
        self.assertEqual(0o640, os.stat(b.path("file")).st_mode & 0o777)
        os.removexattr(a.path("file"), "system.posix_acl_access")
        self.same(a, b, xattrs=True)

    def test_goes_through_an_agent_that_does_not_preserve(self):
        server = self.server()
        a = self.preserving("A", server)
        between = self.preserving("between", server, flags=())
        c = self.preserving("C", server)
        self.build(a)
        everything = {"xattrs": True, "owner": True}
        self.same(a, c, **everything)
        self.same(a, between)
        self.assertEqual([], os.listxattr(between.path("file")))
        # In place, by another file, by a rename, of the mode alone.
        with open(between.path("file"), "ab") as file:
            file.write(b" and more")
        between.write("new", "another file")
        os.replace(between.path("new"), between.path("plain"))
        os.rename(between.path("dir"), between.path("moved"))
        os.chmod(between.path("read-only"), 0o600)
        self.arrives(a, "file", "content and more")
        self.arrives(a, "plain", "another file")
        self.same(a, c, **everything)
        self.same(a, between)
        self.assertEqual(b"a comment\0 with a NUL", os.getxattr(c.path("file"), "user.comment"))
        self.assertEqual(b"of a directory", os.getxattr(c.path("moved"), "user.dir"))
        self.assertEqual(b"is set", os.getxattr(c.path("read-only"), "user.too"))
        if ROOT:
            self.assertEqual(NOBODY, os.stat(c.path("file")).st_uid)
        # It begins to: what the others agreed on is applied here.
        between.stop()
        between.flags = FLAGS
        between.start()
        self.same(a, between, c, **everything)

    def test_is_turned_on_for_what_was_synced_before(self):
        server = self.server()
        a = self.preserving("A", server, flags=(), start=False)
        self.build(a)
        a.start()
        b = self.preserving("B", server, flags=())
        self.same(a, b)
        a.stop()
        b.stop()
        a.flags = b.flags = FLAGS
        a.start()
        wait_until(a.in_sync, "A has told what it has")
        b.start()
        self.same(a, b, xattrs=True, owner=True)
        self.assertEqual(b"a comment\0 with a NUL", os.getxattr(b.path("file"), "user.comment"))

    @unittest.skipUnless(ROOT, "needs root, to be another user")
    def test_what_an_ordinary_user_may_not_set_is_passed_on(self):
        os.chmod(self.base, 0o755)
        server = self.server()
        a = self.preserving("A", server)
        os.makedirs(os.path.join(self.on, "user"))
        os.chown(os.path.join(self.on, "user"), NOBODY, NOBODY)
        user = self.preserving("user", server, user=NOBODY, group=NOBODY, extra_groups=[])
        c = self.preserving("C", server)
        everything = {"xattrs": True, "owner": True}
        for name in ("one", "two"):
            a.write(name, name)
            os.chown(a.path(name), 4321, 8765)
            os.setxattr(a.path(name), "user.a", b"1")
        os.makedirs(a.path("dir"))
        os.chown(a.path("dir"), 4321, 8765)
        self.same(a, c, **everything)
        self.same(a, user, xattrs=True)
        self.assertEqual(NOBODY, os.stat(user.path("one")).st_uid)
        self.assertEqual(1, user.process.output().count("can't be stored here"))
        # What it edits keeps its owner elsewhere, and what it adds goes on.
        with open(user.path("one"), "ab") as file:
            file.write(b" edited")
        os.setxattr(user.path("two"), "user.b", b"2")
        self.arrives(c, "one", "one edited")
        self.same(a, c, **everything)
        self.same(a, user, xattrs=True)
        for agent in (a, c):
            self.assertEqual(4321, os.stat(agent.path("one")).st_uid)
            self.assertEqual(8765, os.stat(agent.path("two")).st_gid)
            self.assertEqual(b"2", os.getxattr(agent.path("two"), "user.b"))
        self.assertEqual(0, user.status().get("failedCount", 0))
        self.assertEqual(1, user.process.output().count("can't be stored here"))

    def test_a_file_system_without_attributes_passes_them_on(self):
        bare = self.mounted("bare", "-t", "ramfs", "none")
        if takes_xattrs(bare):
            self.skipTest("ramfs takes extended attributes here")
        server = self.server()
        a = self.preserving("A", server)
        between = self.agent("between", server, directory=bare, flags=FLAGS)
        c = self.preserving("C", server)
        a.write("file", "x")
        os.setxattr(a.path("file"), "user.a", b"1")
        self.same(a, c, xattrs=True)
        self.same(a, between)
        between.write("file", "edited")
        self.arrives(a, "file", "edited")
        self.same(a, c, xattrs=True)
        self.assertEqual(b"1", os.getxattr(c.path("file"), "user.a"))
        self.assertEqual(1, between.process.output().count("can't be stored here"))

    def test_what_is_too_much_is_said_and_left(self):
        server = self.server()
        a = self.preserving("A", server)
        b = self.preserving("B", server)
        a.write("file", "x")
        self.arrives(b, "file", "x")
        try:
            for number in range(129):
                os.setxattr(a.path("file"), f"user.{number}", b"x")
        except OSError as error:
            self.skipTest(f"this file system takes fewer: {error}")
        wait_until(lambda: "at most 128 are carried" in a.process.output(), "it is said")
        a.write("proof", "x")
        self.arrives(b, "proof", "x")
        wait_until(a.in_sync, "in sync")

    @unittest.skipUnless(ROOT, "needs root, to give files away")
    def test_owners_go_by_name(self):
        name = pwd.getpwuid(NOBODY).pw_name
        server = self.server()
        a = self.preserving("A", server, flags=("--preserve", "owner"))
        b = self.preserving("B", server, flags=("--preserve", "owner"))
        a.write("file", "x")
        os.chown(a.path("file"), NOBODY, 0)
        self.same(a, b, owner=True)
        self.assertEqual(name, pwd.getpwuid(os.stat(b.path("file")).st_uid).pw_name)
        os.setxattr(a.path("file"), "user.a", b"1")
        a.write("proof", "x")
        self.arrives(b, "proof", "x")
        self.same(a, b, owner=True)
        self.assertEqual([], os.listxattr(b.path("file")))


if __name__ == "__main__":
    unittest.main()
