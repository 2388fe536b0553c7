#!/usr/bin/python3
"""A file system that folds case, over a directory: what the tests mount where the kernel has none.

    folding_fs.py DIRECTORY MOUNTPOINT

A name that is there in another case is that name; new names are kept as they are said.
"""
import errno
import os
import sys
import time

import fusepy as fuse

# What utimensat(2) has instead of nanoseconds.
OMIT = (1 << 30) - 2
NOW = (1 << 30) - 1


class Folding(fuse.Operations):
    def __init__(self, root):
        self.root = root

    def real(self, path):
        """Of `path`, each part as it is called, where it is there in any case."""
        at = self.root
        for part in path.strip("/").split("/"):
            if not part:
                continue
            below = os.path.join(at, part)
            if not os.path.lexists(below):
                try:
                    names = os.listdir(at)
                except OSError:
                    names = []
                below = next((os.path.join(at, name) for name in names
                              if name.lower() == part.lower()), below)
            at = below
        return at

    def getattr(self, path, fh=None):
        info = os.lstat(self.real(path))
        found = {key: getattr(info, key) for key in (
            "st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_ino")}
        for key in ("st_atime", "st_mtime", "st_ctime"):
            found[key] = getattr(info, key + "_ns")
        return found

    use_ns = True
    flag_utime_omit_ok = 1

    def access(self, path, mode):
        if not os.access(self.real(path), mode, follow_symlinks=False):
            raise fuse.FuseOSError(errno.EACCES)

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(self.real(path))]

    def readlink(self, path):
        return os.readlink(self.real(path))

    def mknod(self, path, mode, dev):
        os.mknod(self.real(path), mode, dev)

    def mkdir(self, path, mode):
        os.mkdir(self.real(path), mode)

    def rmdir(self, path):
        os.rmdir(self.real(path))

    def unlink(self, path):
        os.unlink(self.real(path))

    def symlink(self, target, source):
        os.symlink(source, self.real(target))

    def rename(self, old, new):
        source, target = self.real(old), self.real(new)
        if source == target:  # another case of the same name
            target = os.path.join(os.path.dirname(source), os.path.basename(new))
        os.rename(source, target)

    def link(self, target, source):
        os.link(self.real(source), self.real(target))

    def chmod(self, path, mode):
        os.chmod(self.real(path), mode)

    def chown(self, path, uid, gid):
        os.lchown(self.real(path), uid, gid)

    def utimens(self, path, times=None):
        real = self.real(path)
        info = os.lstat(real)
        now = (info.st_atime_ns, info.st_mtime_ns)
        kept = tuple(old if new == OMIT else time.time_ns() if new == NOW else new
                     for old, new in zip(now, times or (NOW, NOW)))
        os.utime(real, ns=kept, follow_symlinks=False)

    def statfs(self, path):
        info = os.statvfs(self.real(path))
        return {key: getattr(info, key) for key in (
            "f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files",
            "f_flag", "f_frsize", "f_namemax")}

    def open(self, path, flags):
        return os.open(self.real(path), flags)

    def create(self, path, mode, fi=None):
        return os.open(self.real(path), os.O_RDWR | os.O_CREAT, mode)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        os.truncate(self.real(path), length)

    def flush(self, path, fh):
        return 0

    def fsync(self, path, datasync, fh):
        os.fsync(fh)

    def release(self, path, fh):
        os.close(fh)


if __name__ == "__main__":
    fuse.FUSE(Folding(os.path.realpath(sys.argv[1])), sys.argv[2], foreground=True,
              nothreads=True, use_ino=True)
