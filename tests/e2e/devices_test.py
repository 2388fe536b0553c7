"""A disk that comes back as another device is the same disk: what was deleted elsewhere meanwhile stays
deleted. Another disk in its place is another one."""
import os
import shutil
import subprocess
import unittest

import harness
from harness import wait_until


def free_loops():
    return [f"/dev/loop{number}" for number in range(60, 90)]


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("losetup") and shutil.which("mkfs.ext4") and
                     os.path.exists("/dev/loop-control"), "needs root and loop devices")
class DevicesTest(harness.SyncTestCase):
    def image(self, name):
        path = os.path.join(self.base, name)
        with open(path, "wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", path], check=True)
        return path

    def mount(self, image, where):
        """On a loop device of a number that was not used before."""
        os.makedirs(where, exist_ok=True)
        for device in self.loops:
            number = int(device.removeprefix("/dev/loop"))
            if not os.path.exists(device):
                subprocess.run(["mknod", device, "b", "7", str(number)], check=True)
            done = subprocess.run(["losetup", device, image], check=False, capture_output=True)
            if done.returncode == 0:
                self.loops = self.loops[self.loops.index(device) + 1:]
                self.addCleanup(subprocess.run, ["losetup", "-d", device], check=False,
                                capture_output=True)
                subprocess.run(["mount", device, where], check=True)
                self.addCleanup(subprocess.run, ["umount", "-l", where], check=False,
                                capture_output=True)
                return device
        self.skipTest("no loop device is free")

    def unmount(self, device, where):
        subprocess.run(["umount", where], check=True)
        subprocess.run(["losetup", "-d", device], check=True)

    def setUp(self):
        super().setUp()
        self.loops = free_loops()
        self.server_ = self.server()
        self.b = self.agent("B", self.server_)

    def no_copies(self, *agents):
        for agent in agents:
            for _, _, names in os.walk(agent.dir):
                self.assertEqual([], [name for name in names if ".conflict" in name])

    def test_the_disk_of_a_root(self):
        image, where = self.image("disk.img"), os.path.join(self.base, "disk")
        device = self.mount(image, where)
        a = self.agent("A", self.server_, directory=os.path.join(where, "root"))
        for number in range(10):
            a.write(f"d/{number}", f"{number}" * 100)
        self.converge(a, self.b)
        before = os.stat(a.dir).st_dev
        a.stop()
        self.unmount(device, where)
        os.unlink(self.b.path("d/1"))
        self.b.write("d/2", "edited")
        wait_until(self.b.in_sync, "B is in sync")
        self.mount(image, where)
        self.assertNotEqual(before, os.stat(a.dir).st_dev)
        os.unlink(a.path("d/3"))
        a.start()
        self.converge(a, self.b)
        self.assertEqual(sorted(set("0456789") | {"2"}), sorted(os.listdir(a.path("d"))))
        self.assertEqual(b"edited", a.read("d/2"))
        self.no_copies(a, self.b)
        self.assertNotIn("compared anew", a.process.output())

    def test_a_disk_that_is_mounted_in_a_root(self):
        image, other = self.image("disk.img"), self.image("other.img")
        a = self.agent("A", self.server_, start=False)
        where = a.path("mounted")
        device = self.mount(image, where)
        shutil.rmtree(os.path.join(where, "lost+found"))
        a.start()
        for number in range(5):
            a.write(f"mounted/d/{number}", f"{number}" * 100)
        a.write("beside", "x")
        self.converge(a, self.b)
        before = os.stat(where).st_dev
        a.stop()
        self.unmount(device, where)
        # Gone, it is no deletion; nor is another one in its place.
        a.start()
        wait_until(lambda: a.status().get("failedPaths"), "it is said")
        a.stop()
        spare = self.mount(other, where)
        a.start()
        wait_until(lambda: a.status().get("failedPaths"), "it is said")
        self.assertEqual(b"4" * 100, self.b.read("mounted/d/4"))
        a.stop()
        self.unmount(spare, where)
        self.mount(image, where)
        self.assertNotEqual(before, os.stat(where).st_dev)
        os.unlink(a.path("mounted/d/0"))
        a.start()
        self.converge(a, self.b)
        self.assertEqual(["1", "2", "3", "4"], sorted(os.listdir(self.b.path("mounted/d"))))
        self.no_copies(a, self.b)


if __name__ == "__main__":
    unittest.main()
