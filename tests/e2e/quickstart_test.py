"""deploy/quickstart.sh as a user runs it: it starts, syncs, stops cleanly, and goes on."""
import os
import re
import signal
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import wait_until

SCRIPT = os.path.join(harness.ROOT, "deploy", "quickstart.sh")


class QuickstartTest(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="filesync-quickstart-", dir=harness.scratch())
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.log = os.path.join(self.home, "output")

    def start(self, *directories, **options):
        # The pipeline runs it in a bare root as well, where it installs and builds.
        env = {**os.environ, "XDG_DATA_HOME": self.home, "FILESYNC_BIN": harness.BIN,
               "FILESYNC_PORT": str(harness.free_port()),
               "FILESYNC_HTTP_PORT": str(harness.free_port())}
        with open(self.log, "ab") as log:
            process = subprocess.Popen([SCRIPT, *directories], env=env, stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL, start_new_session=True,
                                       **options)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def children(self):
        """Programs that run on this test's directory."""
        found = []
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    line = file.read()
            except OSError:
                continue
            if self.home.encode() in line and re.match(rb"[^\0]*/(syncd|syncagent)\0", line):
                found.append(int(name))
        return found

    def interrupt(self, process):
        # As a terminal does: to the script's own group.
        os.killpg(process.pid, signal.SIGINT)
        self.assertEqual(0, process.wait(60), self.output())
        wait_until(lambda: not self.children(), "nothing is left running", 30)

    def test_start_sync_stop_and_go_on(self):
        process = self.start()
        base = os.path.join(self.home, "filesync-quickstart")
        try:
            wait_until(lambda: os.path.exists(f"{base}/B/welcome.txt"), "A's file is in B", 120)
            wait_until(lambda: os.path.exists(f"{base}/A/photos/not-really-a-photo.jpg"),
                       "B's file is in A", 60)
        except AssertionError:
            print(self.output())
            raise
        self.interrupt(process)
        with open(f"{base}/A/while-stopped", "w", encoding="ascii") as file:
            file.write("made between two runs")
        process = self.start()
        wait_until(lambda: os.path.exists(f"{base}/B/while-stopped"), "it goes on", 120)
        self.interrupt(process)

    def test_two_interrupts_and_a_closed_terminal_leave_nothing_running(self):
        for signals in ([signal.SIGINT, signal.SIGINT], [signal.SIGHUP], [signal.SIGTERM]):
            with self.subTest(signals=signals):
                process = self.start()
                wait_until(lambda: len(self.children()) == 3, "all three run", 60)
                for number in signals:
                    os.killpg(process.pid, number)
                self.assertEqual(0, process.wait(60), self.output())
                wait_until(lambda: not self.children(), "nothing is left running", 30)

    def test_a_reader_that_goes_away_leaves_nothing_running(self):
        environment = {**os.environ, "XDG_DATA_HOME": self.home, "FILESYNC_BIN": harness.BIN,
                       "FILESYNC_PORT": str(harness.free_port()),
                       "FILESYNC_HTTP_PORT": str(harness.free_port())}
        with subprocess.Popen([SCRIPT], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              start_new_session=True) as process:
            wait_until(lambda: len(self.children()) == 3, "all three run", 60)
            process.stdout.close()
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
        wait_until(lambda: not self.children(), "nothing is left running", 30)

    def test_pairs_of_directories_do_not_mix(self):
        """And names are relative to where it is called."""
        for pair in ("docs", "pictures"):
            where = os.path.join(self.home, "called from here")
            os.makedirs(os.path.join(where, f"{pair} a"), exist_ok=True)
            with open(os.path.join(where, f"{pair} a", pair), "w", encoding="ascii") as file:
                file.write(pair)
            process = self.start(f"{pair} a", f"{pair} b", cwd=where)
            wait_until(lambda w=where, p=pair: os.path.exists(os.path.join(w, f"{p} b", p)),
                       "it arrives", 60)
            self.interrupt(process)
        self.assertEqual({".syncagent", "pictures"},
                         set(os.listdir(os.path.join(where, "pictures b"))))

    def test_wrong_use(self):
        result = subprocess.run([SCRIPT, "only-one"], capture_output=True, text=True, check=False)
        self.assertEqual(2, result.returncode)
        self.assertIn("usage", result.stderr)


if __name__ == "__main__":
    unittest.main()
