"""What the end-to-end suites share: the real programs as processes, trees, and waiting.

A test waits for a condition with a deadline; it never sleeps to let something happen. What a
program printed is shown when a test fails.
"""
import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("FILESYNC_BIN", os.path.join(ROOT, "build", "dev", "bin"))
SYNCD = os.path.join(BIN, "syncd")
SYNCAGENT = os.path.join(BIN, "syncagent")
STATE = b".syncagent"


def scratch():
    """Where tests keep their trees: memory where there is some."""
    chosen = os.environ.get("FILESYNC_TEST_TMP")
    if chosen:
        return chosen
    return "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()


def seed():
    value = int(os.environ.get("FILESYNC_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"FILESYNC_SEED={value}", file=sys.stderr)
    return random.Random(value)


def port_range():
    """The ports that are this suite's own, where several run side by side."""
    first, _, last = os.environ.get("FILESYNC_PORTS", "11000-11999").partition("-")
    ports = list(range(int(first), int(last) + 1))
    # Another one first in each run, as the last run's connections may still hold some.
    start = random.SystemRandom().randrange(len(ports))
    return itertools.cycle(ports[start:] + ports[:start])


PORTS = port_range()


def free_port():
    while True:
        port = next(PORTS)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(condition, what, deadline=60.0, poll=0.02):
    """Returns the first true value of condition(); fails with `what` after the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s in vain: {what}")
        time.sleep(poll)


class Process:
    """One of the programs. Its output goes to a file."""

    def __init__(self, arguments, log, env=None, **popen):
        self.log = log
        self.arguments = arguments
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})}, **popen)
        self.pid = self.process.pid

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def kill_children(self):
        """Kills what this process (a tracer) started, and waits for both."""
        with contextlib.suppress(OSError), \
                open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
            for child in file.read().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
        self.process.wait()

    def stop(self, deadline=30):
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.arguments[0]} did not stop:\n{self.output()}") from None

    def output(self):
        with open(self.log, "rb") as file:
            return file.read().decode("utf-8", "replace")

    def peak_memory(self):
        """Largest resident size so far, in bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return 0


def metric(port, name):
    """Sum of a metric over its labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if line.startswith((name + "{", name + " ")))


class Server:
    def __init__(self, base, name="server", port=None, directory=None, flags=()):
        self.flags = flags
        self.data = os.path.join(directory or base, name + "-data")
        self.port = port or free_port()
        self.http = free_port()
        self.log = os.path.join(base, name + ".log")
        self.process = None
        self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.process = Process(
            [SYNCD, "--listen", self.address, "--data", self.data,
             "--http", f"127.0.0.1:{self.http}", *self.flags], self.log)
        wait_until(self.ready, f"syncd is ready\n{self.process.output()}")

    def metric(self, name):
        return metric(self.http, name)

    def ready(self):
        if not self.process.running():
            raise AssertionError("syncd ended:\n" + self.process.output())
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/readyz", timeout=2) as r:
                return r.status == 200
        except OSError:
            return False


class Agent:
    """syncagent on one directory; `flags` are more of its arguments."""

    def __init__(self, base, name, server, folder="default", directory=None, flags=(), **popen):
        self.name = name
        self.server = server if isinstance(server, str) else server.address
        self.folder = folder
        self.flags = flags
        self.dir = directory or os.path.join(base, name)
        os.makedirs(self.dir, exist_ok=True)
        self.log = os.path.join(base, name + ".log")
        self.http = None
        self.popen = popen
        self.process = None

    def start(self, prefix=()):
        self.http = free_port()
        self.process = Process(
            [*prefix, SYNCAGENT, "--server", self.server, "--folder", self.folder, "--name",
             self.name, "--http", f"127.0.0.1:{self.http}", *self.flags, self.dir], self.log,
            **self.popen)
        return self

    def stop(self):
        if self.process is not None and self.process.running():
            return self.process.stop()
        return None

    def kill(self):
        self.process.kill()

    def status(self):
        """What `syncagent status --json` says; {} when it can't say yet."""
        result = subprocess.run([SYNCAGENT, "status", "--json", self.dir], capture_output=True,
                                check=False)
        return json.loads(result.stdout) if result.returncode == 0 else {}

    def in_sync(self):
        if not self.process.running():
            raise AssertionError(f"agent {self.name} ended:\n{self.process.output()[-4000:]}")
        return self.status().get("state") == "in sync"

    def metric(self, name):
        """Waits for an agent that has just been started."""
        def value():
            try:
                return (metric(self.http, name),)
            except ConnectionRefusedError:
                return None
            except urllib.error.URLError as error:
                if not self.process.running() or \
                        not isinstance(error.reason, ConnectionRefusedError):
                    raise
                return None
        return wait_until(value, f"{self.name} tells its metrics", 30)[0]

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, data):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())

    def read(self, name):
        try:
            with open(self.path(name), "rb") as file:
                return file.read()
        except OSError:
            return None


def snapshot(root):
    """{relative path: state} of a tree, the agent's own directory left out."""
    root = os.fsencode(root)
    found = {}

    def visit(directory):
        with os.scandir(directory) as items:
            for item in items:
                relative = os.path.relpath(item.path, root)
                # Of the root, or of a file system that is mounted in it.
                if relative == STATE or (item.name == STATE and os.path.exists(
                        os.path.join(item.path, b"workspace"))):
                    continue
                info = item.stat(follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode):
                    found[relative] = ("dir", info.st_mode & 0o777)
                    visit(item.path)
                elif stat.S_ISLNK(info.st_mode):
                    found[relative] = ("link", os.readlink(item.path), info.st_mtime_ns)
                elif stat.S_ISREG(info.st_mode):
                    found[relative] = ("file", info.st_mode & 0o777, info.st_mtime_ns,
                                       info.st_size, item.path)
    visit(root)
    return found


def same_bytes(a, b):
    with open(a, "rb") as x, open(b, "rb") as y:
        while True:
            one, two = x.read(1 << 20), y.read(1 << 20)
            if one != two:
                return False
            if not one:
                return True


def differences(a, b, limit=20):
    """How two trees differ, as text lines; none when they are identical."""
    one, two = snapshot(a), snapshot(b)
    lines = []
    for path in sorted(one.keys() | two.keys()):
        if len(lines) >= limit:
            lines.append("...")
            break
        x, y = one.get(path), two.get(path)
        if x is None or y is None:
            lines.append(f"{path!r} only in {a if y is None else b}")
        elif x[:4] != y[:4]:
            lines.append(f"{path!r}: {x[:4]} != {y[:4]}")
        elif x[0] == "file" and not same_bytes(x[4], y[4]):
            lines.append(f"{path!r}: other bytes")
    return lines


@contextlib.contextmanager
def always_written(path):
    """Somebody appends to the file, line after line, as a log is."""
    stop = threading.Event()

    def append():
        with open(path, "ab", buffering=0) as log:
            while not stop.wait(0.02):
                log.write(b"a line\n")
    writer = threading.Thread(target=append)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


class SyncTestCase(unittest.TestCase):
    """A scratch directory per test; everything started in it ends with it."""

    def setUp(self):
        self.base = tempfile.mkdtemp(prefix="filesync-", dir=scratch())
        self.servers = []
        self.agents = []
        self.addCleanup(self.clean_up)

    def clean_up(self):
        # Looks at the outcome before the logs go.
        failed = any(error for _, error in getattr(self._outcome, "errors", [])) or \
            bool(getattr(getattr(self._outcome, "result", None), "failures", []) and
                 self._outcome.result.failures[-1][0] is self)
        outcome_failed = not getattr(self._outcome, "success", True)
        for agent in self.agents:
            if agent.process is not None and agent.process.running():
                agent.kill()
        for server in self.servers:
            if server.process.running():
                server.process.kill()
        if failed or outcome_failed:
            for name in sorted(os.listdir(self.base)):
                if name.endswith(".log"):
                    with open(os.path.join(self.base, name), "rb") as file:
                        print(f"--- {name}\n" + file.read()[-6000:].decode("utf-8", "replace"),
                              file=sys.stderr)
            if os.environ.get("FILESYNC_KEEP_FAILED"):
                print(f"kept: {self.base}", file=sys.stderr)
                return
        subprocess.run(["chmod", "-R", "u+rwX", self.base], check=False,
                       stderr=subprocess.DEVNULL)
        shutil.rmtree(self.base, ignore_errors=True)

    def server(self, **options):
        server = Server(self.base, **options)
        self.servers.append(server)
        return server

    def agent(self, name, server, start=True, **options):
        agent = Agent(self.base, name, server, **options)
        self.agents.append(agent)
        return agent.start() if start else agent

    def pair(self, **options):
        server = self.server()
        return (server, self.agent("A", server, **options),
                self.agent("B", server, **options))

    def converge(self, *agents, deadline=120.0):
        """Waits until all say that they are in sync and hold the same tree."""
        first = agents[0]

        def same():
            return all(agent.in_sync() for agent in agents) and \
                all(not differences(first.dir, other.dir, 1) for other in agents[1:]) and \
                all(agent.in_sync() for agent in agents)
        try:
            wait_until(same, "converged", deadline, poll=0.1)
        except AssertionError:
            for agent in agents:
                print(f"--- {agent.name}: {json.dumps(agent.status())[:3000]}", file=sys.stderr)
            for other in agents[1:]:
                print("\n".join(differences(first.dir, other.dir)), file=sys.stderr)
            raise

    def no_leftovers(self, *agents):
        """No temporary file anywhere."""
        for agent in agents:
            self.assertEqual([], os.listdir(os.path.join(agent.dir, ".syncagent", "tmp")),
                             agent.name)

    def arrives(self, agent, name, data, deadline=30.0):
        wanted = data if isinstance(data, bytes) else data.encode()
        wait_until(lambda: agent.read(name) == wanted,
                   f"{name} arrives at {agent.name}", deadline)
