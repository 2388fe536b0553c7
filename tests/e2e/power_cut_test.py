"""Hosts lose power while they work: nothing that was acknowledged is missing, no file is short, empty
or mixed, no deletion comes back, and nothing that only one host changed is in conflict.

FILESYNC_POWER_CUTS: how many of agents and of servers (20). FILESYNC_POWER_MINUTES: how long three
hosts and a server work at random (1), one of which loses power every 20 seconds."""
import hashlib
import os
import random as randoms
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import disks
import harness
import outcomes
from harness import SYNCAGENT, wait_until

CUTS = int(os.environ.get("FILESYNC_POWER_CUTS", "20"))
MINUTES = float(os.environ.get("FILESYNC_POWER_MINUTES", "1"))
EVERY = 20.0
FRESH_DISK_AFTER = 5

# Another boot of the host, as the agent sees it.
AS_IF_BOOTED = ("unshare", "--mount", "--propagation", "unchanged", "sh", "-c",
                'mount --make-private /proc && mount --bind "$1" /proc/sys/kernel/random/boot_id && '
                'shift && exec "$@"', "sh")


def make(token, random):
    """Content that tells whether it is whole."""
    body = random.randbytes(random.choice((0, 10, 900, 5000, 70_000, 300_000)))
    return f"{token} {len(body)} {hashlib.sha256(body).hexdigest()}\n".encode() + body


def token(data):
    """Of what `make` made; None when it is short, empty or mixed."""
    head, found, body = data.partition(b"\n")
    words = head.split(b" ")
    if not found or len(words) != 3 or not words[1].isdigit() or len(body) != int(words[1]) or \
            hashlib.sha256(body).hexdigest().encode() != words[2]:
        return None
    return words[0].decode()


def tree(root):
    """{path: token} of the files in a directory."""
    found = {}
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name != ".syncagent"]
        for name in files:
            path = os.path.join(directory, name)
            try:
                with open(path, "rb") as file:
                    found[os.path.relpath(path, root)] = token(file.read())
            except FileNotFoundError:
                pass
    return found


class Writer(threading.Thread):
    """Works in a directory that nobody else changes, as careful programs do: what it has done is on
    the disk when it says so."""

    def __init__(self, root, name, random, durable):
        super().__init__(daemon=True)
        self.root, self.top, self.random, self.durable = root, name, random, durable
        self.model = {}        # path: token
        self.settled = set()   # paths that all have
        self.log = []          # (began, ended, path, token or None)
        self.number = 0
        self.going = threading.Event()
        self.resting = threading.Event()
        self.resting.set()
        self.ends = False
        self.error = None
        self.pace = 0.004

    def sync(self, directory):
        if self.durable:
            fd = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def note(self, began, path, made):
        self.log.append((began, time.monotonic(), path, made))
        if made is None:
            self.model.pop(path, None)
        else:
            self.model[path] = made

    def directory(self):
        """One of a few, some of which are made anew."""
        path = os.path.join(self.root, self.top,
                            *(f"d{self.random.randrange(4)}" for _ in range(self.random.randrange(3))))
        above = path
        missing = []
        while not os.path.isdir(above):
            missing.append(above)
            above = os.path.dirname(above)
        for made in reversed(missing):
            os.mkdir(made)
            self.sync(os.path.dirname(made))
        return path

    def save(self, path=None):
        self.number += 1
        if path is None:
            path = os.path.relpath(os.path.join(self.directory(), f"f{self.number}"), self.root)
        name = f"{self.top}-{self.number}"
        data = make(name, self.random)
        began = time.monotonic()
        beside = os.path.join(self.root, os.path.dirname(path), f".{self.number}.part~")
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            if self.durable:
                os.fsync(file.fileno())
        os.rename(beside, os.path.join(self.root, path))
        self.sync(os.path.dirname(beside))
        self.note(began, path, name)

    def delete(self, path):
        began = time.monotonic()
        os.unlink(os.path.join(self.root, path))
        self.sync(os.path.dirname(os.path.join(self.root, path)))
        self.note(began, path, None)

    def move(self, path):
        began = time.monotonic()
        self.number += 1
        to = os.path.join(os.path.dirname(path), f"m{self.number}")
        os.rename(os.path.join(self.root, path), os.path.join(self.root, to))
        self.sync(os.path.dirname(os.path.join(self.root, path)))
        made = self.model[path]
        self.note(began, path, None)
        self.note(began, to, made)

    def step(self):
        choice = self.random.random()
        if len(self.model) < 20 or choice < 0.35:
            self.save()
        else:
            # Of those that came last more than of others.
            path = list(self.model)[-1 - min(int(self.random.expovariate(0.1)),
                                             len(self.model) - 1)]
            (self.save if choice < 0.75 else self.delete if choice < 0.9 or len(self.model) > 60
             else self.move)(path)

    def run(self):
        while not self.ends:
            self.resting.set()
            self.going.wait()
            self.resting.clear()
            while self.going.is_set():
                try:
                    self.step()
                except Exception as error:  # pylint: disable=broad-except
                    print(f"{self.top}: {error!r} at {time.monotonic():.4f}", file=sys.stderr)
                    self.error = error
                    self.going.clear()
                time.sleep(self.random.random() * self.pace * (10 if self.random.random() < 0.1 else 1))

    def rest(self):
        self.going.clear()
        self.resting.wait(60)
        if self.error is not None:
            raise self.error

    def end(self):
        self.ends = True
        self.going.set()
        self.going.clear()

    def lose(self, began, ended, heard):
        """The disk is as it was between these moments. Returns what is not certain: {path: [one of
        these tokens]}; None: not there. `heard`: what others had by then. A deletion that the server
        may not have heard of passes for damage after a stop without notice, and is undone: certain
        is that of a file which others had for long, and have not any more."""
        kept = [entry for entry in self.log if entry[0] < ended]
        self.log = kept
        self.model = {}
        doubts = {}
        for start, end, path, made in kept:
            if end >= began:
                doubts.setdefault(path, [self.model.get(path)]).append(made)
            if made is None:
                self.model.pop(path, None)
            else:
                self.model[path] = made
        for _, _, path, made in kept:
            unheard = path in heard or path not in self.settled
            if made is not None and path not in self.model and unheard:
                doubts.setdefault(path, [None]).append(made)
        return doubts

    def adopt(self, found):
        """What is not certain is so from now on."""
        self.model = dict(found)
        self.settled = set(found)
        self.log = [(0, 0, path, made) for path, made in found.items()]


@unittest.skipIf(disks.why_not(), disks.why_not())
class PowerCutTest(outcomes.OutcomesTestCase):
    flags = ("--max-delete", "off")

    def setUp(self):
        super().setUp()
        self.random = harness.seed()
        self.boots = 0
        self.writers = []
        self.addCleanup(lambda: [writer.end() for writer in self.writers])

    def boot(self):
        """What an agent is started by, on a host that has just come up."""
        self.boots += 1
        path = os.path.join(self.base, f"boot-{self.boots}")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"00000000-0000-4000-8000-{self.boots:012}\n")
        return (*AS_IF_BOOTED, path)

    def writer(self, root, name, durable=True):
        writer = Writer(root, name, randoms.Random(self.random.random()), durable)
        self.writers.append(writer)
        writer.start()
        return writer

    def together(self, *agents):
        try:
            self.converge(*agents, deadline=60)
        except AssertionError:
            one, two = (tree(agent.dir) for agent in agents)
            self.explain([path for path in one.keys() | two.keys() if one.get(path) != two.get(path)],
                         *self.writers)
            raise

    def judge(self, found, writer, doubts=None):
        """`found`: all that is there, by path; `doubts`: what is not certain of it."""
        doubts = doubts or {}
        problems = []
        for path in sorted(found.keys() | writer.model.keys()):
            if not path.startswith(writer.top + os.sep) or path.endswith(".part~"):
                continue
            is_there = found.get(path)
            if path in found and is_there is None:
                problems.append(f"{path} is short, empty or mixed")
            elif is_there not in doubts.get(path, [writer.model.get(path)]):
                problems.append(f"{path} is {is_there}, was to be "
                                f"{doubts.get(path, writer.model.get(path))}")
        problems += [f"{path} is in conflict" for path in found if ".conflict-" in path]
        if problems:
            self.explain([problem.split(" ")[0] for problem in problems], writer)
        self.assertEqual([], problems)

    def explain(self, paths, *writers):
        """Tells on stderr what is known of these paths."""
        for path in paths:
            name = os.path.basename(path).split(".conflict-")[0]
            for writer in writers:
                for began, ended, of, made in writer.log:
                    if os.path.basename(of) == name:
                        print(f"{name}: {began:.4f} to {ended:.4f} at {of}: {made}", file=sys.stderr)
            for agent in self.agents:
                with open(agent.log, encoding="utf-8", errors="replace") as log:
                    for line in log:
                        if re.search(rf"\b{re.escape(name)}\b", line):
                            print(f"{agent.name}: {line}", end="", file=sys.stderr)

    def settle(self, found, *writers):
        for writer in writers:
            writer.adopt({path: made for path, made in found.items()
                          if path.startswith(writer.top + os.sep) and not path.endswith(".part~")})

    def cut_many_times(self):
        for number in range(CUTS):
            if number % FRESH_DISK_AFTER == 0:
                for agent in self.agents:
                    agent.stop()
                host = self.fresh(number)
            self.cut(*host)

    def remove_parts(self, root):
        """What a program that was cut off in a save leaves is its own to remove."""
        for directory, names, files in os.walk(root):
            names[:] = [name for name in names if name != ".syncagent"]
            for name in files:
                if name.endswith(".part~"):
                    os.unlink(os.path.join(directory, name))


class AgentPowerCutTest(PowerCutTest):
    """V's host loses power; what A does, it hears and does not, before, meanwhile and after."""

    def fresh(self, number):
        directory = tempfile.mkdtemp(dir=self.base)
        server = self.server(name=f"server-{number}", directory=directory)
        store = disks.Store(self, directory)
        disk = disks.Disk(self, store, "v", os.path.join(directory, "V"))
        a = self.agent(f"A{number}", server, directory=os.path.join(directory, "A"),
                       flags=self.flags)
        v = self.agent(f"V{number}", server, directory=os.path.join(disk.path, "root"),
                       flags=self.flags, start=False)
        v.start(self.boot())
        for agent, top in ((a, "a"), (v, "v")):
            os.mkdir(agent.path(top))
        self.together(a, v)
        return disk, a, v, self.writer(a.dir, "a", durable=False), self.writer(v.dir, "v")

    def cut(self, disk, a, v, of_a, of_v):
        of_a.going.set()
        of_v.going.set()
        time.sleep(self.random.random() * 1.2)
        v.process.signal(19)  # SIGSTOP: nothing is sent of what the disk will not hold
        heard = tree(a.dir)
        began = time.monotonic()
        copy = disk.cut()
        ended = time.monotonic()
        of_v.rest()
        v.kill()
        doubts = of_v.lose(began, ended, heard)
        # What goes on elsewhere meanwhile: edits and deletions of what V just received, too.
        time.sleep(self.random.random() * 0.3)
        of_a.rest()
        wait_until(a.in_sync, "A is in sync")
        disk.come_up(copy)
        on_disk = tree(v.dir)
        self.assertFalse([path for path, made in on_disk.items() if made is None and
                          path.startswith("a" + os.sep)], "short or empty on the disk")
        self.remove_parts(v.dir)
        v.start(self.boot())
        self.together(a, v)
        found = tree(v.dir)
        self.judge(found, of_a)
        self.judge(found, of_v, doubts)
        self.settle(found, of_v)

    def test_cuts(self):
        self.cut_many_times()


class ServerPowerCutTest(PowerCutTest):
    """The server's host loses power. What one agent has received of another was acknowledged."""

    def fresh(self, number):
        directory = tempfile.mkdtemp(dir=self.base)
        store = disks.Store(self, directory)
        disk = disks.Disk(self, store, "s", os.path.join(directory, "S"))
        server = self.server(name=f"server-{number}", directory=disk.path)
        a, b = (self.agent(f"{name}{number}", server, directory=os.path.join(directory, name),
                           flags=self.flags) for name in "AB")
        for agent, top in ((a, "a"), (b, "b")):
            os.mkdir(agent.path(top))
        self.together(a, b)
        return (disk, server, a, b, self.writer(a.dir, "a", durable=False),
                self.writer(b.dir, "b", durable=False))

    def audit(self, server, seen, writers):
        """What the server holds by itself, before an agent tells it anything."""
        port, server.port = server.port, harness.free_port()
        server.start()
        fresh = tempfile.mkdtemp(dir=self.base)
        result = subprocess.run([SYNCAGENT, "sync", "--server", server.address, "--name", "audit",
                                 fresh], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        held = tree(fresh)
        server.process.stop()
        server.port = port
        for writer in writers:
            last = {}
            for step, (_, _, path, made) in enumerate(writer.log):
                last.setdefault(path, []).append((step, made))
            for path, made in seen.items():
                if not path.startswith(writer.top + os.sep):
                    continue
                # It, or what its writer made of it later.
                steps = last.get(path, [])
                since = next((i for i, (_, token_) in enumerate(steps) if token_ == made), 0)
                self.assertIn(held.get(path), [token_ for _, token_ in steps[since:]],
                              f"{path}, acknowledged")
        self.assertNotIn(None, held.values(), "short, empty or mixed")

    def cut(self, disk, server, a, b, of_a, of_b):
        of_a.going.set()
        of_b.going.set()
        time.sleep(self.random.random() * 1.2)
        seen = {**{path: made for path, made in tree(b.dir).items() if path.startswith("a/")},
                **{path: made for path, made in tree(a.dir).items() if path.startswith("b/")}}
        server.process.signal(19)
        copy = disk.cut()
        server.process.kill()
        time.sleep(self.random.random() * 0.3)
        of_a.rest()
        of_b.rest()
        disk.come_up(copy)
        seen = {path: made for path, made in seen.items() if made is not None and
                not path.endswith(".part~")}
        self.audit(server, seen, (of_a, of_b))
        server.start()
        self.together(a, b)
        found = tree(a.dir)
        self.judge(found, of_a)
        self.judge(found, of_b)

    def test_cuts(self):
        self.cut_many_times()


class RandomPowerCutTest(PowerCutTest):
    """Three hosts and a server, each with a disk of its own."""

    def shared_work(self, agent, number, kept):
        """Files that all hosts change; and some that are made once, which must be found."""
        top = agent.path("shared")
        os.makedirs(top, exist_ok=True)
        path = os.path.join(top, f"{self.random.randrange(10)}")
        with open(path, "wb") as file:
            file.write(make(f"{agent.name}-{number}", self.random))
        if number % 3 == 0:
            began = time.monotonic()
            name = f"keep-{agent.name}-{number}"
            with open(os.path.join(top, name), "wb") as file:
                file.write(make(name, self.random))
                file.flush()
                os.fsync(file.fileno())
            fd = os.open(top, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
            kept.append((began, time.monotonic(), name, agent))
        if number % 7 == 0 and os.path.exists(path):
            os.unlink(path)

    def test_three_hosts(self):
        # All that was ever saved stays in the history, and much of it in each trash.
        store = disks.Store(self, self.base, megabytes=16_000)
        disk_of = {}
        disk_of["server"] = disks.Disk(self, store, "s", os.path.join(self.base, "S"),
                                       megabytes=3000)
        server = self.server(directory=disk_of["server"].path)
        agents, writers = [], {}
        for name in ("X", "Y", "Z"):
            disk_of[name] = disks.Disk(self, store, name, os.path.join(self.base, name),
                                       megabytes=3000)
            agent = self.agent(name, server, directory=os.path.join(disk_of[name].path, "root"),
                               flags=self.flags, start=False)
            agent.start(self.boot())
            os.mkdir(agent.path(name))
            agents.append(agent)
            writers[name] = self.writer(agent.dir, name)
            writers[name].pace = 0.15
        kept, doubts = [], {}
        ends = time.monotonic() + 60 * MINUTES
        number = 0
        while time.monotonic() < ends:
            for writer in writers.values():
                writer.going.set()
            next_cut = time.monotonic() + EVERY * (0.5 + self.random.random())
            next_cut = min(next_cut, time.monotonic() + EVERY)
            while time.monotonic() < next_cut:
                number += 1
                agent = self.random.choice(agents)
                self.shared_work(agent, number, kept)
                time.sleep(self.random.random() * 0.3)
            victim = self.random.choice([*agents, server, *agents])
            name = "server" if victim is server else victim.name
            victim.process.signal(19)
            heard = {}
            for agent in agents:
                if agent is not victim:
                    heard.update(tree(agent.dir))
            began = time.monotonic()
            copy = disk_of[name].cut()
            ended = time.monotonic()
            if victim is not server:
                writers[name].rest()
                kept[:] = [k for k in kept if k[3] is not victim or k[1] < began]
            victim.process.kill()
            time.sleep(self.random.random() * 2)
            disk_of[name].come_up(copy)
            if victim is server:
                victim.start()
            else:
                lost = writers[name].lose(began, ended, heard)
                self.remove_parts(victim.dir)
                victim.start(self.boot())
                # So that what is not certain is known before it is worked on.
                wait_until(victim.in_sync, f"{name} is in sync", 120)
                found = tree(victim.dir)
                self.judge_own(found, writers[name], lost)
                self.settle(found, writers[name])
        for writer in writers.values():
            writer.rest()
        self.converge(*agents, deadline=120)
        found = tree(agents[0].dir)
        self.assertNotIn(None, found.values(), "short, empty or mixed")
        for writer in writers.values():
            self.judge_own(found, writer, doubts)
        names = set(found.values())
        self.assertEqual([], [name for _, _, name, _ in kept if name not in names], "not found")

    def judge_own(self, found, writer, doubts):
        self.judge({path: made for path, made in found.items()
                    if path.startswith(writer.top + os.sep)}, writer, doubts)


if __name__ == "__main__":
    unittest.main()
