"""Progress: what is moving, how fast and how long yet, at a terminal, in a pipe and for programs."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
import unittest

import harness
from harness import SYNCAGENT, wait_until

MIB = 1 << 20


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, arguments, columns=100, rows=24):
        self.output = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.environ["TERM"] = "xterm"
            os.execv(arguments[0], arguments)
        self.ended = None

    def read_some(self, seconds=0.2):
        if not select.select([self.fd], [], [], seconds)[0]:
            return
        try:
            self.output += os.read(self.fd, 65536)
        except OSError:
            pass

    def read_until(self, pattern, deadline=60):
        end = time.monotonic() + deadline
        while not re.search(pattern, self.output):
            self.read_some()
            if time.monotonic() > end:
                raise AssertionError(f"{pattern!r} never came: {self.output[-2000:]!r}")
        return re.search(pattern, self.output)

    def stop(self, number=signal.SIGTERM, deadline=60):
        """Sends the signal (0: none) and returns how it ended."""
        if self.ended is None:
            if number:
                os.kill(self.pid, number)
            end = time.monotonic() + deadline
            while True:
                self.read_some(0.05)
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    break
                if time.monotonic() > end:
                    os.kill(self.pid, signal.SIGKILL)
                    os.waitpid(self.pid, 0)
                    raise AssertionError(f"did not end: {self.output[-2000:]!r}")
            self.read_some(0.1)
            os.close(self.fd)
            self.ended = os.waitstatus_to_exitcode(status)
        return self.ended


def screen(output, columns=100, rows=24):
    """The lines that stand on the terminal in the end; only what the program may send."""
    lines, row, column = [""], 0, 0
    text = output.decode("utf-8")
    i = 0
    while i < len(text):
        if text.startswith("\x1b[K", i):
            lines[row] = lines[row][:column]
            i += 3
        elif text.startswith("\x1b[A", i):
            row -= 1
            assert row >= 0, "the cursor left the screen"
            i += 3
        elif text[i] == "\r":
            column = 0
            i += 1
        elif text[i] == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
            i += 1
        else:
            assert text[i] >= " ", f"control character {text[i]!r} at {text[i - 20:i + 20]!r}"
            lines[row] = lines[row][:column].ljust(column) + text[i] + lines[row][column + 1:]
            column += 1
            assert column <= columns, f"wraps: {lines[row]}"
            i += 1
    return lines


class EventsTest(harness.SyncTestCase):
    def follow(self, *arguments):
        """Lines of a program that follows, collected by a thread."""
        process = subprocess.Popen([SYNCAGENT, *arguments], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        lines = []

        def collect():
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
        thread = threading.Thread(target=collect, daemon=True)
        thread.start()

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
            thread.join()
            process.stdout.close()
        self.addCleanup(end)
        return process, lines, thread

    def test_json_lines_tell_every_change_and_the_progress(self):
        server, a, b = self.pair()
        wait_until(a.in_sync, "in sync")
        b.stop()
        b.flags = ("--limit-down", "1500k")
        b.start()
        wait_until(b.in_sync, "in sync")
        process, lines, thread = self.follow("events", "--json", b.dir)
        wait_until(lambda: lines, "the first line")
        self.assertIn("status", json.loads(lines[0]))
        names = [f"small-{i}" for i in range(30)]
        for name in names:
            a.write(name, name)
        a.write("large\n\udcff".encode("utf-8", "surrogateescape").decode(
            "utf-8", "surrogateescape"), os.urandom(6 * MIB))
        os.rename(a.path("small-0"), a.path("renamed"))

        def told():
            return [json.loads(line) for line in list(lines)]

        def synced():
            return {(e["sync"]["kind"], e["sync"]["path"]) for e in told() if "sync" in e}
        wait_until(lambda: ("SYNC_EVENT_KIND_RECEIVED", "large%0A%FF") in synced(), "received",
                   120)
        for name in names[1:]:
            self.assertIn(("SYNC_EVENT_KIND_RECEIVED", name), synced())
        # The end of the file is told, and that nothing moves any longer.

        def last_progress():
            return [e["progress"] for e in told() if "progress" in e][-1]
        wait_until(lambda: last_progress().get("filesMoved") == last_progress().get("filesToMove"),
                   "progress ends")
        progress = [e["progress"] for e in told() if "progress" in e]
        under_way = [t for p in progress for t in p.get("transfers", [])
                     if t["path"] == "large%0A%FF"]
        self.assertGreater(len(under_way), 5)
        self.assertEqual({"TRANSFER_DIRECTION_DOWN"}, {t["direction"] for t in under_way})
        self.assertEqual({str(6 * MIB)}, {t["bytesTotal"] for t in under_way})
        done = [int(t.get("bytesDone", 0)) for t in under_way]
        self.assertEqual(sorted(done), done)
        self.assertGreater(len(set(done)), 3)
        # While it goes on there are a speed and a time left that make sense.
        self.assertTrue(any(p.get("bytesPerSecond", 0) > 100_000 and "eta" in p for p in progress))
        # The stream ends with the agent.
        b.stop()
        self.assertEqual(0, process.wait(30))
        thread.join(10)
        for event in told():
            self.assertIn("time", event)
        del server

    def test_text_lines(self):
        _, a, b = self.pair()
        wait_until(b.in_sync, "in sync")
        process, lines, thread = self.follow("events", b.dir)
        wait_until(lambda: lines, "the first line")
        a.write("evil\x1b[31mname", "x")
        a.write("plain", "x")
        wait_until(lambda: any("received plain" in line for line in lines), "said")
        b.stop()
        self.assertEqual(0, process.wait(30))
        thread.join(10)
        for line in lines:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [ -~]+$")
        self.assertTrue(any(line.endswith("received evil%1B[31mname") for line in lines))

    def test_a_stalled_reader_holds_nobody_up_and_is_told_what_it_missed(self):
        server = self.server()
        a = self.agent("A", server)
        wait_until(a.in_sync, "in sync")
        # The pipe is full soon, and nobody reads it.
        stalled = subprocess.Popen([SYNCAGENT, "events", "--json", a.dir], stdout=subprocess.PIPE)
        self.addCleanup(stalled.stdout.close)
        self.addCleanup(stalled.wait)
        self.addCleanup(stalled.kill)
        stalled.stdout.readline()
        count = 12_000
        for i in range(count):
            a.write(f"d{i % 100}/file-with-a-long-name-{'x' * 150}-{i}", b"")
        wait_until(lambda: a.in_sync() and int(a.status().get("entries", 0)) == count + 100,
                   "all sent", 180, poll=0.2)
        # Others are answered, and others follow.
        process, lines, thread = self.follow("events", "--json", a.dir)
        wait_until(lambda: lines, "the first line")
        a.write("after", "x")
        wait_until(lambda: any('"after"' in line for line in lines), "told")
        # Now it reads: what there was room for, and how many there were besides.
        seen, missed = 0, 0
        for line in stalled.stdout:
            event = json.loads(line)
            missed += int(event.get("missed", 0))
            seen += "sync" in event
            if event.get("sync", {}).get("path") == "after":
                break
        self.assertGreater(missed, 0)
        self.assertEqual(count + 100 + 1, seen + missed)
        a.stop()
        self.assertEqual(0, process.wait(30))
        thread.join(10)

    def test_so_many_may_follow_and_no_more(self):
        server = self.server()
        a = self.agent("A", server)
        wait_until(a.in_sync, "in sync")
        followers = [self.follow("events", a.dir) for _ in range(16)]
        for _, lines, _ in followers:
            wait_until(lambda lines=lines: lines, "the first line")
        result = subprocess.run([SYNCAGENT, "events", a.dir], capture_output=True, text=True,
                                check=False, timeout=60)
        self.assertEqual(1, result.returncode)
        self.assertIn("16 follow the events already", result.stderr)
        followers[0][0].kill()

        def room():
            process, lines, _ = self.follow("events", a.dir)
            wait_until(lambda: lines, "answer")
            return process.poll() is None and "follow" not in lines[0]
        wait_until(room, "room for another")
        self.assertTrue(a.in_sync())

    def test_nobody_to_follow(self):
        for command in (("events",), ("status", "--watch")):
            result = subprocess.run([SYNCAGENT, *command, self.base], capture_output=True,
                                    text=True, check=False, timeout=60)
            self.assertEqual(2, result.returncode)
            self.assertIn("not a synced directory", result.stderr)
        server = self.server()
        a = self.agent("A", server)
        wait_until(a.in_sync, "in sync")
        a.stop()
        for command in (("events",), ("status", "--watch")):
            result = subprocess.run([SYNCAGENT, *command, a.dir], capture_output=True, text=True,
                                    check=False, timeout=60)
            self.assertEqual(1, result.returncode)
            self.assertIn("no agent runs", result.stderr)

    def test_watch_in_a_pipe(self):
        server = self.server()
        a = self.agent("A", server)
        wait_until(a.in_sync, "in sync")
        process, lines, thread = self.follow("status", "--watch", a.dir)
        wait_until(lambda: any("in sync" in line for line in lines), "the state")
        a.write("x", "12345")
        wait_until(lambda: any(re.search(r"in sync, 1 entries, 5 B$", line) for line in lines),
                   "the new state")
        server.process.stop()
        wait_until(lambda: any("offline" in line for line in lines), "offline")
        a.stop()
        self.assertEqual(0, process.wait(30))
        thread.join(10)
        self.assertEqual("the agent has ended", lines[-1])
        for line in lines[:-1]:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [ -~]+$")
        self.assertEqual(1, sum("offline" in line for line in lines))


class TerminalTest(harness.SyncTestCase):
    def at_a_terminal(self, *arguments, **size):
        terminal = Terminal([SYNCAGENT, *arguments], **size)
        self.addCleanup(lambda: terminal.stop(signal.SIGKILL))
        return terminal

    def test_a_run_shows_the_total_and_transfers_under_way(self):
        server = self.server()
        directory = os.path.join(self.base, "T")
        os.mkdir(directory)
        for name in ("ein-langer-Name-" + "ü" * 40, "second"):
            with open(os.path.join(directory, name), "wb") as file:
                file.write(os.urandom(3 * MIB))
        terminal = self.at_a_terminal("--server", server.address, "--limit-up", "1500k", directory,
                                      columns=64)
        terminal.read_until(rb"\d+ % of 6\.0 MiB at [^\r\n]*/s, [^\r\n]* left, \d of 2 files")
        terminal.read_until(rb"  up +\d+ % of +3\.0 MiB  second")
        terminal.read_until(rb"in sync, 2 entries, 6\.0 MiB")
        self.assertEqual(0, terminal.stop())
        lines = screen(terminal.output, columns=64)
        # Nothing of the block is left but its state line.
        self.assertTrue(any(line.startswith("in sync, 2 entries") for line in lines), lines)
        self.assertFalse(any(" left" in line or line.startswith("  up") for line in lines), lines)

    def test_one_shot_ends_with_a_summary(self):
        server = self.server()
        directory = os.path.join(self.base, "T")
        os.mkdir(directory)
        with open(os.path.join(directory, "text"), "w", encoding="ascii") as file:
            file.write("abc" * 400_000)
        os.mkdir(os.path.join(directory, "sub"))
        terminal = self.at_a_terminal("sync", "--server", server.address, directory)
        self.assertEqual(0, terminal.stop(0))
        line = [line for line in screen(terminal.output, 200) if line.startswith("default: in sync;")]
        self.assertEqual(1, len(line), terminal.output)

    def summary(self, server, directory):
        result = subprocess.run([SYNCAGENT, "sync", "--server", server.address, directory],
                                capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertNotIn("\x1b", result.stdout)
        self.assertNotIn("\r", result.stdout)
        return result.stdout.splitlines()[-1]

    def test_the_summary_in_a_pipe(self):
        server = self.server()
        one, two = os.path.join(self.base, "one"), os.path.join(self.base, "two")
        os.mkdir(one)
        os.mkdir(two)
        for name in ("a", "b"):
            with open(os.path.join(one, name), "w", encoding="ascii") as file:
                file.write(name * 1_000_000)
        line = self.summary(server, one)
        self.assertRegex(line, r"default: in sync; sent 2, received 0; [\d.]+ \w+ up, 0 B down in "
                               r"[\d.]+ s; saved 1\.9 MiB \(duplicates [\d.]+ \w+, compression "
                               r"[\d.]+ \w+\); 2 entries, 1\.9 MiB$")
        self.assertRegex(self.summary(server, two), r"sent 0, received 2; 0 B up, [\d.]+ \w+ down")
        os.unlink(os.path.join(two, "a"))
        self.assertRegex(self.summary(server, two), r"sent 0, received 0, deleted 1;")
        self.assertRegex(self.summary(server, one), r"sent 0, received 0, deleted 1;")

    def test_an_interrupted_one_shot_says_so_by_its_code(self):
        server = self.server()
        directory = os.path.join(self.base, "T")
        os.mkdir(directory)
        with open(os.path.join(directory, "large"), "wb") as file:
            file.write(os.urandom(4 * MIB))
        terminal = self.at_a_terminal("sync", "--server", server.address, "--limit-up", "100k",
                                      directory)
        terminal.read_until(rb"of 4\.0 MiB")
        self.assertEqual(130, terminal.stop(signal.SIGINT))

    def test_watch_at_a_terminal(self):
        server = self.server()
        a = self.agent("A", server)
        wait_until(a.in_sync, "in sync")
        terminal = self.at_a_terminal("status", "--watch", a.dir, rows=60)
        terminal.read_until(rb"state +in sync")
        a.write("x", "12345")
        terminal.read_until(rb"entries +1 \(5 B\)")
        a.stop()
        self.assertEqual(0, terminal.stop(0))
        lines = screen(terminal.output)
        # One block, rewritten in place.
        self.assertEqual(1, sum(line.startswith("state ") for line in lines), lines)
        self.assertIn("the agent has ended", lines)

    def test_watch_ends_with_control_c(self):
        server = self.server()
        a = self.agent("A", server)
        wait_until(a.in_sync, "in sync")
        terminal = self.at_a_terminal("status", "--watch", a.dir)
        terminal.read_until(rb"state +in sync")
        os.write(terminal.fd, b"\x03")
        self.assertEqual(-signal.SIGINT, terminal.stop(0))
        self.assertTrue(a.in_sync())


if __name__ == "__main__":
    unittest.main()
