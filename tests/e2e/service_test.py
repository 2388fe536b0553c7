"""syncd under a service manager, and what its manual tells."""
import os
import re
import shutil
import signal
import socket
import subprocess
import unittest

import harness
from harness import ROOT, SYNCD

DEBIAN = os.path.join(ROOT, "deploy", "debian")


class ServiceManagerTest(harness.SyncTestCase):
    """A socket in the place of systemd's; see sd_notify(3)."""

    def start(self, **environment):
        path = os.path.join(self.base, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(path)
        self.socket.settimeout(30)
        self.process = harness.Process(
            [SYNCD, "--listen", f"127.0.0.1:{harness.free_port()}", "--http", "off", "--data",
             os.path.join(self.base, "data")], os.path.join(self.base, "syncd.log"),
            env={"NOTIFY_SOCKET": path, **environment})
        self.addCleanup(lambda: self.process.running() and self.process.kill())

    def said(self):
        return self.socket.recv(4096).decode()

    def said_until(self, wanted):
        """What is said before `wanted`."""
        before = []
        while (text := self.said()) != wanted:
            before.append(text)
        return before

    def test_ready_when_it_serves_and_stopping_when_told(self):
        self.start()
        self.assertEqual("READY=1", self.said())
        self.process.signal(signal.SIGTERM)
        self.assertEqual("STOPPING=1", self.said(), "and nothing for a watchdog that is not there")
        self.assertEqual(0, self.process.process.wait(30))

    def test_a_watchdog_hears_of_it_until_it_hangs(self):
        self.start(WATCHDOG_USEC="3000000")
        self.said_until("READY=1")
        for _ in range(3):
            self.assertEqual("WATCHDOG=1", self.said())
        self.process.signal(signal.SIGSTOP)
        self.socket.settimeout(3)
        with self.assertRaises(TimeoutError):
            # One may have been under way.
            self.said()
            self.said()
        self.process.signal(signal.SIGCONT)
        self.socket.settimeout(30)
        self.assertEqual("WATCHDOG=1", self.said())

    def test_a_watchdog_of_another_process_is_not_its_own(self):
        self.start(WATCHDOG_USEC="1000000", WATCHDOG_PID="1")
        self.assertEqual("READY=1", self.said())
        self.socket.settimeout(3)
        with self.assertRaises(TimeoutError):
            self.said()


class ManualTest(unittest.TestCase):
    def test_every_option_is_explained(self):
        with open(os.path.join(ROOT, "docs", "syncd.8"), encoding="utf-8") as file:
            manual = file.read().replace("\\-", "-")
        told = subprocess.run([SYNCD, "--help"], capture_output=True, text=True, check=True).stdout
        names = set(re.findall(r"--[a-z-]+|SYNCD_[A-Z_]+", told))
        self.assertIn("--listen", names)
        self.assertEqual(set(), {name for name in names if name not in manual})
        self.assertEqual(set(), set(re.findall(r"--[a-z-]+|SYNCD_[A-Z_]+", manual)) - names)
        self.assertIn("healthcheck", told)

    def test_the_manual_is_well_formed(self):
        checked = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww", "-z", os.path.join(ROOT, "docs", "syncd.8")],
            capture_output=True, text=True, check=False)
        self.assertEqual((0, ""), (checked.returncode, checked.stderr))

    def test_the_settings_file_names_what_there_is(self):
        told = subprocess.run([SYNCD, "--help"], capture_output=True, text=True, check=True).stdout
        with open(os.path.join(DEBIAN, "filesync-server.syncd.default"), encoding="utf-8") as file:
            named = set(re.findall(r"^#?([A-Z_]+)=", file.read(), re.MULTILINE))
        self.assertTrue(named)
        self.assertEqual(set(), {name for name in named if name not in told})


class UnitsTest(harness.SyncTestCase):
    """The units, as systemd judges them."""

    MOST_EXPOSED = 2.0

    def setUp(self):
        super().setUp()
        # The units name programs where the packages put them.
        self.root = os.path.join(self.base, "root")
        for directory in ("usr/bin", "etc/systemd/system", "etc/systemd/user", "bin"):
            os.makedirs(os.path.join(self.root, directory))
        for program in (SYNCD, harness.SYNCAGENT, "/bin/sh"):
            shutil.copy(program, os.path.join(self.root, "usr/bin"))
            shutil.copy(program, os.path.join(self.root, "bin"))

    def installed(self, name, kind, installed_name):
        path = os.path.join(self.root, "etc/systemd", kind, installed_name)
        shutil.copy(os.path.join(DEBIAN, name), path)
        return path

    def analyze(self, *arguments):
        return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True,
                              check=False, timeout=120,
                              env={**os.environ, "XDG_RUNTIME_DIR": self.base})

    def test_the_units_are_valid(self):
        for name, installed, kind, more in (
                ("filesync-server.syncd.service", "syncd.service", "system", []),
                ("syncagent@.service", "syncagent@.service", "user", ["--user"])):
            with self.subTest(unit=installed):
                path = self.installed(name, kind, installed)
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text.replace("=/usr/bin/", f"={self.root}/usr/bin/"))
                result = self.analyze(*more, "verify", "--man=no", path)
                self.assertEqual((0, ""), (result.returncode, result.stderr + result.stdout))

    def test_the_server_is_confined(self):
        path = self.installed("filesync-server.syncd.service", "system", "syncd.service")
        result = self.analyze("security", "--offline=true", "--no-pager",
                              f"--threshold={int(self.MOST_EXPOSED * 10)}", path)
        self.assertEqual(0, result.returncode, result.stdout[-3000:] + result.stderr)
        self.assertRegex(result.stdout, r"Overall exposure level for syncd.service: [0-9.]+")


if __name__ == "__main__":
    unittest.main()
