#!/usr/bin/python3
"""Figures of filesync beside what a user would run instead, taken in the same run.

    tests/bench/compare.py [--runs N] [--gib G] [--saves N] [--tmp DIR] [--only CASE ...]

Everything is on this machine: server and two agents for filesync, client and daemon for rsync
and, where it is installed, Syncthing. Page cache warm; each run starts from empty directories
and the kinds take turns, so that a slow minute of the machine hits all of them. Printed are the
medians of the runs; the trees that arrived are compared before a figure counts.
"""
import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import arrival  # noqa: E402
import harness  # noqa: E402
from rsync_baseline import Rsync  # noqa: E402
from syncthing_baseline import Syncthing  # noqa: E402

MIB = 1 << 20
CASES = ("file", "tree", "insert", "rename", "saves")


def cpu_of(pid):
    """CPU seconds that the process used so far, with those it started."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    children = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            children += file.read().split()
    return own + sum(map(cpu_of, children))


class Filesync:
    name = "filesync"

    def __init__(self, base):
        self.base = tempfile.mkdtemp(prefix="filesync-", dir=base)
        self.server = harness.Server(self.base)
        self.agents = [harness.Agent(self.base, name, self.server).start() for name in "AB"]
        for agent in self.agents:
            harness.wait_until(agent.in_sync, f"{agent.name} is in sync")
        self.a, self.b = (agent.dir for agent in self.agents)

    def pids(self):
        return [self.server.process.pid, *(agent.process.pid for agent in self.agents)]

    def settle(self):
        for agent in self.agents:
            harness.wait_until(agent.in_sync, f"{agent.name} is in sync", 600)

    def wait(self, path, size, count):
        """Until `path` has arrived at B whole: a file of `size`, or a tree of `count` entries."""
        target = os.path.join(self.b, path)
        if count is None:
            arrival.wait_for_file(target, size)
        else:
            harness.wait_until(lambda: self.server.metric("filesync_folder_entries") >= count, path, 600,
                               0.02)
            head = self.server.metric("filesync_folder_head_version")
            harness.wait_until(
                lambda: self.agents[1].metric("filesync_agent_applied_version") >= head, path, 600,
                0.02)

    def sent(self):
        return self.agents[0].metric("filesync_agent_bytes_sent_total")

    def received(self):
        return self.agents[1].metric("filesync_agent_bytes_received_total")

    def close(self):
        for agent in self.agents:
            agent.stop()
        self.server.process.stop()
        shutil.rmtree(self.base, ignore_errors=True)


def measured(peer, act):
    """Seconds and CPU seconds that `act` takes in the processes of `peer` and its children."""
    def used():
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return sum(map(cpu_of, peer.pids())) + children.ru_utime + children.ru_stime
    cpu = used()
    began = time.perf_counter()
    act()
    seconds = time.perf_counter() - began
    return seconds, used() - cpu


def count_entries(root):
    return len(harness.snapshot(root))


class Bench:
    def __init__(self, options, base):
        self.options = options
        self.base = base
        self.file = os.path.join(base, "file")
        self.tree = os.path.join(base, "tree")
        self.figures = {}

    def add(self, case, kind, unit, value):
        self.figures.setdefault((case, unit), {}).setdefault(kind, []).append(value)

    def make_inputs(self):
        size = int(self.options.gib * (1 << 30))
        with open(self.file, "wb") as file:
            for _ in range(0, size, 8 * MIB):
                file.write(os.urandom(8 * MIB))
        if "tree" in self.options.only:
            os.mkdir(self.tree)
            for source in ("/usr/include", "/usr/share/doc"):
                shutil.copytree(source, self.tree + source.replace("/", "_"), symlinks=True,
                                ignore_dangling_symlinks=True)
                os.rename(self.tree + source.replace("/", "_"),
                          os.path.join(self.tree, source.replace("/", "_")))

    def put(self, source, target):
        """The source appears under its name at once, as a finished download does."""
        staged = os.path.join(self.base, "staged")
        if os.path.isdir(source):
            shutil.copytree(source, staged, symlinks=True)
        else:
            shutil.copyfile(source, staged)
        return lambda: os.rename(staged, target)

    def copy(self, case, kind, source):
        peer = kind(self.base)
        try:
            place = self.put(source, os.path.join(peer.a, case))
            is_tree = os.path.isdir(source)
            count = count_entries(source) + 1 if is_tree else None
            size = None if is_tree else os.path.getsize(source)

            def act():
                place()
                peer.wait(case, size, count)
            seconds, cpu = measured(peer, act)
            if is_tree:
                wrong = harness.differences(os.path.join(peer.a, case), os.path.join(peer.b, case),
                                            limit=1 << 30)
                if kind is Syncthing:  # it does not carry symlinks' times
                    wrong = [line for line in wrong if "('link'" not in line]
            else:
                wrong = not harness.same_bytes(os.path.join(peer.a, case),
                                               os.path.join(peer.b, case))
            if wrong:
                raise AssertionError(f"{kind.name}, {case}: the copies differ: {wrong}")
            self.add(f"{case}, first time", kind.name, "s", seconds)
            self.add(f"{case}, first time", kind.name, "CPU s", cpu)
            if case == "file" and kind is Filesync:
                self.after_file(peer)
            if case == "tree" and kind is Filesync:
                self.rename(peer, "tree", "renamed", "rename of the tree's directory")
        finally:
            peer.close()

    def rename(self, peer, old, new, title):
        peer.settle()
        before = peer.sent(), peer.received()
        seconds, _ = measured(peer, lambda: (
            os.rename(os.path.join(peer.a, old), os.path.join(peer.a, new)),
            harness.wait_until(lambda: os.path.lexists(os.path.join(peer.b, new)) and
                               not os.path.lexists(os.path.join(peer.b, old)), new, 60, 0.002)))
        self.add(title, "filesync", "s", seconds)
        self.add(title, "filesync", "KiB on both links",
                 (peer.sent() - before[0] + peer.received() - before[1]) / 1024)

    def after_file(self, peer):
        if "insert" in self.options.only:
            peer.settle()
            path = os.path.join(peer.a, "file")
            staged = os.path.join(self.base, "staged")
            with open(path, "rb") as old, open(staged, "wb") as new:
                new.write(os.urandom(1024))
                shutil.copyfileobj(old, new, 8 * MIB)
            size = os.path.getsize(staged)
            before = peer.sent(), peer.received()
            seconds, _ = measured(
                peer, lambda: (os.rename(staged, path), peer.wait("file", size, None)))
            self.add("1 KiB inserted at the file's front", "filesync", "s", seconds)
            peer.settle()
            self.add("1 KiB inserted at the file's front", "filesync", "KiB sent",
                     (peer.sent() - before[0]) / 1024)
            self.add("1 KiB inserted at the file's front", "filesync", "KiB received",
                     (peer.received() - before[1]) / 1024)
        if "rename" in self.options.only:
            os.mkdir(os.path.join(peer.a, "dir"))
            os.rename(os.path.join(peer.a, "file"), os.path.join(peer.a, "dir/file"))
            harness.wait_until(lambda: os.path.exists(os.path.join(peer.b, "dir/file")), "move", 60)
            self.rename(peer, "dir", "renamed", "rename of the file's directory")

    def saves(self):
        peer = Filesync(self.base)
        try:
            took = []
            for number in range(self.options.saves):
                name = f"note-{number % 10}"
                data = os.urandom(512).hex().encode()
                began = time.perf_counter()
                with open(os.path.join(peer.a, name + "~"), "wb") as file:
                    file.write(data)
                os.rename(os.path.join(peer.a, name + "~"), os.path.join(peer.a, name))
                target = os.path.join(peer.b, name)
                while True:
                    try:
                        with open(target, "rb") as file:
                            if file.read() == data:
                                break
                    except OSError:
                        pass
                    time.sleep(0.0005)
                took.append(time.perf_counter() - began)
                # Like people's saves, not one on another's heels.
                time.sleep(0.05)
            took.sort()
            title = f"save of 1 KiB seen at the peer ({len(took)} saves)"
            self.add(title, "filesync", "ms, p50", 1000 * statistics.median(took))
            self.add(title, "filesync", "ms, p99", 1000 * took[int(len(took) * 0.99)])
        finally:
            peer.close()

    def run(self):
        self.make_inputs()
        kinds = [Filesync, Rsync] + ([Syncthing] if self.options.syncthing else [])
        for run in range(self.options.runs):
            for case in ("file", "tree"):
                if case not in self.options.only:
                    continue
                # In turns, each kind first once.
                for kind in kinds[run % len(kinds):] + kinds[:run % len(kinds)]:
                    self.copy(case, kind, getattr(self, case))
        if "saves" in self.options.only:
            self.saves()

    def print(self):
        kinds = ["filesync", "rsync", "syncthing"]
        kinds = [kind for kind in kinds if any(kind in f for f in self.figures.values())]
        print("| what | unit | " + " | ".join(kinds) + " | ratio to rsync |")
        print("| --- " * (3 + len(kinds)) + "|")
        for (case, unit), by_kind in self.figures.items():
            medians = {kind: statistics.median(values) for kind, values in by_kind.items()}
            cells = [f"{medians[kind]:.2f}" if kind in medians else "" for kind in kinds]
            ratio = f"{medians['filesync'] / medians['rsync']:.2f}" if "rsync" in medians else ""
            print(f"| {case} | {unit} | " + " | ".join(cells) + f" | {ratio} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--gib", type=float, default=1, help="size of the file")
    parser.add_argument("--saves", type=int, default=200)
    parser.add_argument("--tmp", default=harness.scratch(), help="where all data is kept")
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--syncthing", action="store_true", help="compare with Syncthing too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.tmp) as base:
        bench = Bench(options, base)
        print(f"{os.cpu_count()} cores, {platform.release()}, data in {options.tmp}", flush=True)
        bench.run()
        bench.print()


if __name__ == "__main__":
    main()
