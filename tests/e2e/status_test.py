"""Status, and what people see: at a terminal, in a pipe, after a stop."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import harness
from harness import SYNCAGENT, wait_until


class StatusTest(harness.SyncTestCase):
    def test_running_and_stopped(self):
        server = self.server()
        a = self.agent("A", server)
        for i in range(12):
            a.write(f"d/f{i}", "12345")
        wait_until(lambda: a.in_sync() and a.status().get("entries") == "13", "counted")
        status = a.status()
        self.assertTrue(status["running"])
        self.assertEqual("60", status["bytes"])
        self.assertEqual("default", status["folder"])
        text = subprocess.run([SYNCAGENT, "status", a.dir], capture_output=True, text=True,
                              check=True).stdout
        self.assertIn("in sync", text)
        self.assertIn("13 (60 B)", text)
        self.assertEqual(0, a.stop())
        stopped = a.status()
        self.assertNotIn("running", stopped)
        self.assertEqual("not running", stopped["state"])
        self.assertEqual("13", stopped["entries"])
        self.assertEqual(status["agentId"], stopped["agentId"])

    def test_failed_paths_are_told(self):
        server = self.server()
        a = self.agent("A", server)
        os.mkfifo(a.path("fifo"))
        a.write("x", "x")
        wait_until(a.in_sync, "in sync, FIFO or not")
        self.assertEqual(1, a.process.output().count("fifo"))

    def test_several_directories_in_one_process(self):
        server = self.server()
        one, two = os.path.join(self.base, "one"), os.path.join(self.base, "two")
        os.mkdir(one)
        os.mkdir(two)
        process = harness.Process(
            [SYNCAGENT, "--server", server.address, "--name", "multi", "--sync", f"first={one}",
             "--sync", f"second={two}"], os.path.join(self.base, "multi.log"))
        self.addCleanup(lambda: process.running() and process.kill())
        b = self.agent("B", server, folder="first")
        c = self.agent("C", server, folder="second")
        with open(os.path.join(one, "x"), "w", encoding="ascii") as out:
            out.write("for first")
        c.write("y", "for second")
        self.arrives(b, "x", "for first")
        wait_until(lambda: os.path.exists(os.path.join(two, "y")), "arrives in the second")
        self.assertFalse(os.path.exists(b.path("y")))
        self.assertEqual(0, process.stop())

    def test_plain_lines_in_a_pipe(self):
        server, a, b = self.pair()
        a.write("hello", "x")
        self.arrives(b, "hello", "x")
        wait_until(lambda: "received hello" in b.process.output(), "said")
        for line in b.process.output().splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")
            self.assertNotIn("\x1b", line)

    def test_names_can_not_steer_the_terminal(self):
        _, a, b = self.pair()
        a.write("evil\x1b[31m\rname\n\u202etxt", "x")
        wait_until(lambda: "evil" in b.process.output(), "arrives")
        self.assertIn("evil%1B[31m%0Dname%0A%E2%80%AEtxt", b.process.output())
        self.assertNotIn("\x1b", b.process.output())

    def test_at_a_terminal(self):
        server = self.server()
        a = self.agent("A", server)
        directory = os.path.join(self.base, "T")
        os.mkdir(directory)
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(SYNCAGENT, [SYNCAGENT, "--server", server.address, "--name", "T", directory])
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        output = b""

        def read_more(wanted, deadline=30):
            nonlocal output
            end = time.monotonic() + deadline
            while wanted not in output and time.monotonic() < end:
                if select.select([terminal], [], [], 0.2)[0]:
                    output += os.read(terminal, 65536)
            self.assertIn(wanted, output)

        try:
            read_more(b"in sync")
            a.write("news.txt", "x" * 1000)
            read_more(b"received news.txt")
            # One line that is rewritten in place, and a line per change.
            self.assertRegex(output, rb"\r\x1b\[K")
            self.assertTrue(re.search(rb"received news\.txt\r?\n", output))
        finally:
            os.kill(pid, signal.SIGTERM)
            _, status = os.waitpid(pid, 0)
            os.close(terminal)
        self.assertEqual(0, os.waitstatus_to_exitcode(status))



class WaitTest(harness.SyncTestCase):
    def wait(self, agent, *flags):
        return subprocess.run([harness.SYNCAGENT, "wait", *flags, agent.dir], capture_output=True,
                              text=True, check=False, timeout=60)

    def test_returns_when_in_sync(self):
        server, a, b = self.pair()
        for number in range(200):
            a.write(f"file-{number}", os.urandom(2000))
        self.assertEqual(0, self.wait(a).returncode)
        self.assertEqual(0, self.wait(b).returncode)
        self.assertEqual("in sync", b.status()["state"])
        server.process.stop()
        harness.wait_until(lambda: not a.in_sync(), "A is offline")
        result = self.wait(a, "--timeout", "0.3")
        self.assertEqual(1, result.returncode)
        self.assertIn("offline", result.stderr)
        self.assertEqual("", result.stdout)

    def test_nothing_to_wait_for(self):
        _, a, _ = self.pair()
        harness.wait_until(a.in_sync, "in sync")
        a.stop()
        result = self.wait(a)
        self.assertEqual(1, result.returncode)
        self.assertIn("no agent runs", result.stderr)
        for value in ("0", "-1", "soon"):
            self.assertEqual(2, self.wait(a, "--timeout", value).returncode, value)


if __name__ == "__main__":
    unittest.main()
