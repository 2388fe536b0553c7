#!/usr/bin/python3
"""How long a new file takes over links that are slower than the disks, beside rsync.

    tests/bench/links.py [--mib N] [--mbit N] [--runs N] [--tmp DIR]

Needs root. The two agents are in network namespaces of their own, each behind a link of so many
Mbit/s in either direction (tbf); the server is on the bridge between them. rsync copies from the
one to the other's daemon over one such link, without a third copy. The least there is, for both:
the file's bytes through one link.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import arrival  # noqa: E402
import harness  # noqa: E402

MIB = 1 << 20
HERE = "10.213.77.1"
THERE = {"a": "10.213.77.2", "b": "10.213.77.3"}
DIRECT = {"a": "10.213.78.2", "b": "10.213.78.3"}


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


class Links:
    """A bridge with two namespaces on it. Ends with the `with` block."""

    def __init__(self, mbit):
        self.mbit = mbit
        self.bridge = f"fsb{os.getpid() % 10000}"

    def namespace(self, side):
        return f"{self.bridge}-{side}"

    def inside(self, side):
        return ["ip", "netns", "exec", self.namespace(side)]

    def limit(self, device, prefix=()):
        subprocess.run([*prefix, "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate",
                        f"{self.mbit}mbit", "burst", "256kb", "latency", "50ms"], check=True)

    def __enter__(self):
        ip("link", "add", self.bridge, "type", "bridge")
        ip("addr", "add", HERE + "/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")
        for side, address in THERE.items():
            name, outer = self.namespace(side), self.bridge + side
            ip("netns", "add", name)
            ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", outer, "master", self.bridge, "up")
            for device in ("lo", "eth0"):
                ip("-n", name, "link", "set", device, "up")
            ip("-n", name, "addr", "add", address + "/24", "dev", "eth0")
            self.limit(outer)
            self.limit("eth0", self.inside(side))
        ip("-n", self.namespace("a"), "link", "add", "eth1", "type", "veth", "peer", "name", "eth1",
           "netns", self.namespace("b"))
        for side, address in DIRECT.items():
            ip("-n", self.namespace(side), "link", "set", "eth1", "up")
            ip("-n", self.namespace(side), "addr", "add", address + "/24", "dev", "eth1")
            self.limit("eth1", self.inside(side))
        return self

    def __exit__(self, *_):
        for side in THERE:
            subprocess.run(["ip", "netns", "delete", self.namespace(side)], check=False)
        subprocess.run(["ip", "link", "delete", self.bridge], check=False)


def time_filesync(links, base, source):
    port = harness.free_port()
    server = harness.Process(
        [harness.SYNCD, "--listen", f"{HERE}:{port}", "--data", os.path.join(base, "data"),
         "--http", f"127.0.0.1:{harness.free_port()}"], os.path.join(base, "server.log"))
    agents = [harness.Agent(base, name, f"{HERE}:{port}").start(prefix=links.inside(name))
              for name in THERE]
    try:
        for agent in agents:
            harness.wait_until(agent.in_sync, f"{agent.name} is in sync")
        began = time.perf_counter()
        os.rename(source, agents[0].path("file"))
        target = agents[1].path("file")
        arrival.wait_for_file(target, os.path.getsize(agents[0].path("file")))
        took = time.perf_counter() - began
        if not harness.same_bytes(agents[0].path("file"), target):
            raise AssertionError("the copies differ")
        return took
    finally:
        for agent in agents:
            agent.stop()
        server.stop()


def time_rsync(links, base, source):
    target = os.path.join(base, "target")
    os.mkdir(target)
    config = os.path.join(base, "rsyncd.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(f"use chroot = no\nport = 8730\nuid = {os.getuid()}\ngid = {os.getgid()}\n"
                   f"[b]\npath = {target}\nread only = no\n")
    daemon = harness.Process([*links.inside("b"), "rsync", "--daemon", "--no-detach",
                              f"--config={config}"], os.path.join(base, "rsyncd.log"))
    url = f"rsync://{DIRECT['b']}:8730/"
    try:
        harness.wait_until(lambda: subprocess.run(
            [*links.inside("a"), "rsync", url], capture_output=True, check=False).returncode == 0,
            "rsync's daemon answers")
        began = time.perf_counter()
        subprocess.run([*links.inside("a"), "rsync", "-a", source, url + "b/"], check=True)
        return time.perf_counter() - began
    finally:
        daemon.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--mib", type=int, default=256, help="size of the file")
    parser.add_argument("--mbit", type=int, default=200, help="of each link")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tmp", default=harness.scratch(), help="where all data is kept")
    options = parser.parse_args()
    took = {time_filesync: [], time_rsync: []}
    with Links(options.mbit) as links:
        for _ in range(options.runs):
            for measure, figures in took.items():
                base = tempfile.mkdtemp(prefix="links-", dir=options.tmp)
                try:
                    source = os.path.join(base, "source")
                    with open(source, "wb") as file:
                        for _ in range(options.mib):
                            file.write(os.urandom(MIB))
                    figures.append(measure(links, base, source))
                finally:
                    shutil.rmtree(base)
    ours, rsync = (statistics.median(figures) for figures in took.values())
    least = options.mib * MIB * 8 / (options.mbit * 1e6)
    print(f"{options.mib} MiB over links of {options.mbit} Mbit/s, s: filesync {ours:.2f}, "
          f"rsync {rsync:.2f} (ratio {ours / rsync:.2f}); the bytes alone take {least:.2f}")


if __name__ == "__main__":
    main()
