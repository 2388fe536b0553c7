"""rsync's daemon, receiving what a client sends it."""
import os
import shutil
import subprocess
import tempfile

import harness


class Rsync:
    name = "rsync"

    def __init__(self, base):
        self.base = tempfile.mkdtemp(prefix="rsync-", dir=base)
        self.a, self.b = os.path.join(self.base, "A"), os.path.join(self.base, "B")
        os.mkdir(self.a)
        os.mkdir(self.b)
        self.port = harness.free_port()
        config = os.path.join(self.base, "rsyncd.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"use chroot = no\nport = {self.port}\naddress = 127.0.0.1\n"
                       f"uid = {os.getuid()}\ngid = {os.getgid()}\n"
                       f"[b]\npath = {self.b}\nread only = no\nmunge symlinks = no\n")
        self.daemon = harness.Process(["rsync", "--daemon", "--no-detach", f"--config={config}"],
                                      os.path.join(self.base, "rsyncd.log"))
        harness.wait_until(lambda: subprocess.run(
            ["rsync", f"rsync://127.0.0.1:{self.port}/"], capture_output=True,
            check=False).returncode == 0, "rsync's daemon answers")

    def pids(self):
        return [self.daemon.pid]

    def wait(self, _path, _size, _count):
        subprocess.run(["rsync", "-a", self.a + "/", f"rsync://127.0.0.1:{self.port}/b/"],
                       check=True)

    def close(self):
        self.daemon.stop()
        shutil.rmtree(self.base, ignore_errors=True)
