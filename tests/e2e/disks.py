"""Disks that a test has to itself: mounted, and copied at a moment as a power cut would leave them.

The disk is an ext4 image on an XFS that shares blocks between copies, so a copy takes milliseconds
and is the disk as it was at one moment: what was not flushed to it by then is not in it."""
import functools
import os
import subprocess

# Nothing is written before it must be: what the programs do not sync is lost in every cut, also what
# a rename over an old name would have flushed.
OPTIONS = "loop,noatime,commit=300,noauto_da_alloc"


def run(*command):
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode != 0:
        raise AssertionError(f"{command}: {result.stdout}{result.stderr}")


@functools.cache
def why_not():
    """Why no disk can be mounted here; None: they can."""
    if os.geteuid() != 0:
        return "needs root, to mount"
    # Some containers have a root that may not.
    probe = subprocess.run(["unshare", "--mount", "--propagation", "unchanged", "sh", "-c",
                            "mount --make-private /proc && mount -t tmpfs none /proc/fs"],
                           check=False, capture_output=True)
    return "mounting is not allowed here" if probe.returncode != 0 else None


def mount(test, command, where):
    """For as long as the test runs."""
    os.makedirs(where, exist_ok=True)
    run(*command, where)
    test.addCleanup(subprocess.run, ["umount", "-l", where], check=False, capture_output=True)


class Store:
    """Where images can be copied in a moment."""

    def __init__(self, test, directory, megabytes=3000):
        self.image = os.path.join(directory, "xfs.img")
        self.path = os.path.join(directory, "xfs")
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)
        run("mkfs.xfs", "-q", "-m", "reflink=1", self.image)
        mount(test, ["mount", "-o", "loop,noatime", self.image], self.path)


class Disk:
    """An ext4 of a host, mounted at `path`."""

    def __init__(self, test, store, name, path, megabytes=400):
        self.store, self.name, self.path = store, name, path
        self.copies = 0
        self.image = os.path.join(store.path, f"{name}-0.img")
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)
        run("mkfs.ext4", "-q", "-E", "lazy_itable_init=1,lazy_journal_init=1", self.image)
        os.makedirs(path, exist_ok=True)
        test.addCleanup(subprocess.run, ["umount", "-l", path], check=False, capture_output=True)
        self.mount()

    def mount(self):
        run("mount", "-o", OPTIONS, self.image, self.path)

    def cut(self):
        """The disk as it is now; what is mounted goes on."""
        self.copies += 1
        copy = os.path.join(self.store.path, f"{self.name}-{self.copies}.img")
        run("cp", "--reflink=always", self.image, copy)
        return copy

    def come_up(self, copy):
        """In place of the disk, whose programs have ended: a copy of it."""
        run("umount", "-l", self.path)
        os.unlink(self.image)
        self.image = copy
        self.mount()

