"""Small random trees and random changes to them, for suites that compare what two sides do."""
import os
import shutil
import stat

NAMES = ("a", "b", "c.txt", "d.db", "e", "f.tmp")
MODES = (0o644, 0o600, 0o755)


def entries(root):
    """Everything in a tree but the agent's own directory: (relative path, is directory)."""
    found = []
    for directory, directories, files in os.walk(root):
        if ".syncagent" in directories:
            directories.remove(".syncagent")
        for name in directories + files:
            path = os.path.join(directory, name)
            found.append((os.path.relpath(path, root),
                          stat.S_ISDIR(os.lstat(path).st_mode)))
    return sorted(found)


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


class Changer:
    """Makes changes below `root`, drawn from `random`; `tag` tells its contents from others'."""

    def __init__(self, root, random, tag):
        self.root = root
        self.random = random
        self.tag = tag
        self.count = 0

    def at(self, path):
        return os.path.join(self.root, path)

    def bytes(self):
        self.count += 1
        # Some contents are the same on both sides.
        if self.random.random() < 0.15:
            return b"the same everywhere"
        size = self.random.choice((0, 3, 20, 5000))
        return f"{self.tag} {self.count} ".encode() + b"x" * size

    def some(self, directory=None):
        paths = [path for path, is_directory in entries(self.root)
                 if directory is None or is_directory == directory]
        return self.random.choice(paths) if paths else None

    def free(self):
        """A path that may or may not be taken, below the root or one of the directories."""
        above = self.random.choice([""] + [path for path, is_directory in entries(self.root)
                                           if is_directory and path.count("/") < 3])
        return os.path.join(above, self.random.choice(NAMES))

    def write(self, path):
        if os.path.lexists(self.at(path)) and not os.path.isfile(self.at(path)):
            return
        with open(self.at(path), "wb") as file:
            file.write(self.bytes())
        self.touch(path)

    def touch(self, path):
        # Whole seconds, far apart, so that both sides' differ or are the same.
        moment = 1_600_000_000 + self.random.randrange(6) * 1000
        os.utime(self.at(path), (moment, moment), follow_symlinks=False)

    def change(self):
        self.random.choice((
            self.new_file, self.new_file, self.edit, self.edit, self.mkdir, self.delete,
            self.delete, self.delete_tree, self.rename, self.rename, self.rename_tree, self.chmod,
            self.new_time, self.symlink, self.retype, self.ignore))()

    def edit(self):
        path = self.some(directory=False)
        if path is not None and not os.path.islink(self.at(path)):
            self.write(path)

    def mkdir(self):
        path = self.free()
        if not os.path.lexists(self.at(path)):
            os.mkdir(self.at(path))
            os.chmod(self.at(path), self.random.choice((0o755, 0o700)))

    def delete(self):
        path = self.some(directory=False)
        if path is not None:
            remove(self.at(path))

    def delete_tree(self):
        path = self.some(directory=True)
        if path is not None:
            remove(self.at(path))

    def rename(self, directory=False):
        path = self.some(directory=directory)
        target = self.free()
        if path is None or (target + "/").startswith(path + "/"):
            return
        while os.path.lexists(self.at(target)):
            self.count += 1
            target = f"{target}{self.count}"
        os.rename(self.at(path), self.at(target))

    def rename_tree(self):
        self.rename(directory=True)

    def chmod(self):
        path = self.some()
        if path is not None and not os.path.islink(self.at(path)):
            directory = os.path.isdir(self.at(path))
            os.chmod(self.at(path), self.random.choice((0o755, 0o700) if directory else MODES))

    def new_time(self):
        path = self.some(directory=False)
        if path is not None:
            self.touch(path)

    def symlink(self):
        path = self.free()
        if not os.path.lexists(self.at(path)):
            os.symlink(f"to-{self.tag}-{self.random.randrange(3)}", self.at(path))
            self.touch(path)

    def retype(self):
        """What was a file becomes a directory, or the other way round."""
        path = self.some()
        if path is None:
            return
        directory = os.path.isdir(self.at(path)) and not os.path.islink(self.at(path))
        remove(self.at(path))
        if directory:
            self.write(path)
        else:
            os.mkdir(self.at(path))
            self.write(os.path.join(path, self.random.choice(NAMES)))

    def ignore(self):
        """Rules that hide some of the names, (?d) at times."""
        above = self.some(directory=True) if self.random.random() < 0.4 else ""
        rule = self.random.choice(("*.tmp", "(?d)*.tmp", "e", "*.txt\n!c.txt"))
        path = os.path.join(above or "", ".syncignore")
        if os.path.lexists(self.at(path)) and not os.path.isfile(self.at(path)):
            return
        with open(self.at(path), "w", encoding="ascii") as file:
            file.write(rule + "\n")
        self.touch(path)

    def make(self, count):
        for _ in range(count):
            self.random.choice((self.mkdir, self.new_file, self.new_file, self.symlink))()

    def new_file(self):
        self.write(self.free())
