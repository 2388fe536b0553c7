"""What gets in an agent's way: outputs that nobody reads, settings that contradict one another, files
that are half written, peers that say nothing. It must neither end it nor mislead it."""
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time
import unittest
import urllib.request
from concurrent import futures

import grpc

import harness
from harness import SYNCAGENT, wait_until


def run(*arguments, env=None, timeout=120, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([SYNCAGENT, *arguments], text=True, check=False, timeout=timeout,
                          env={**os.environ, **(env or {})}, **options)


class NuisanceTestCase(harness.SyncTestCase):
    def directory(self, name, files=()):
        path = os.path.join(self.base, name)
        os.makedirs(path, exist_ok=True)
        for file in files:
            self.put(os.path.join(path, file), file)
        return path

    def put(self, path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def config(self, text, name="config.toml"):
        return self.put(os.path.join(self.base, name), text)


class OutputTest(NuisanceTestCase):
    def test_a_full_disk_ends_no_agent(self):
        server = self.server()
        a = self.directory("A", [str(number) for number in range(400)])
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = run("sync", "--server", server.address, a, stdout=full, stderr=full)
            self.assertNotIn(result.returncode, (134, -signal.SIGABRT))
            b = self.directory("B")
            result = run("sync", "--server", server.address, b, stderr=full)
            self.assertEqual(0, result.returncode)
            # Data that is not there is no success.
            for command in (["status", a], ["sync", "--json", "--server", server.address, a],
                            ["man"], ["config", "--json"]):
                result = run(*command, stdout=full)
                self.assertEqual(1, result.returncode, command)
                self.assertIn("could not be written", result.stderr)
        self.assertEqual(401, len(os.listdir(b)))

    def test_a_reader_that_is_gone_ends_no_agent(self):
        server = self.server()
        a = self.directory("A")
        read, write = os.pipe()
        agent = subprocess.Popen([SYNCAGENT, "--server", server.address, a], stdout=write,
                                 stderr=write, stdin=subprocess.DEVNULL)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        os.close(write)
        os.read(read, 1)
        os.close(read)
        for number in range(20):
            self.put(os.path.join(a, str(number)), "x")
        b = self.agent("B", server)
        wait_until(lambda: len(os.listdir(b.dir)) == 21, "all arrives")
        self.assertIsNone(agent.poll())
        agent.terminate()
        self.assertEqual(0, agent.wait(30))


class SettingsTest(NuisanceTestCase):
    def refused(self, *arguments, said, code=2, **options):
        result = run(*arguments, **options)
        self.assertEqual(code, result.returncode, result.stdout + result.stderr)
        self.assertIn(said, result.stderr)

    def test_one_directory_twice(self):
        a = self.directory("A")
        os.symlink(a, os.path.join(self.base, "also-A"))
        for other in (a, os.path.join(self.base, "also-A"), a + "/"):
            config = self.config(f'[[folder]]\nname = "x"\ndirectory = "{a}"\n'
                                 f'[[folder]]\nname = "y"\ndirectory = "{other}"\n')
            self.refused("sync", "--config", config, said="configured twice")
        self.refused("sync", "--sync", f"x={a}", "--sync", f"y={a}", said="configured twice")

    def test_one_folder_for_several_directories(self):
        a, b = self.directory("A"), self.directory("B")
        config = self.config(f'[[folder]]\nname = "x"\ndirectory = "{a}"\n'
                             f'[[folder]]\nname = "y"\ndirectory = "{b}"\n')
        self.refused("sync", "--config", config, "--folder", "z", said="several directories")
        self.refused("sync", "--config", config, said="several directories",
                     env={"SYNCAGENT_FOLDER": "z"})

    def test_what_a_hook_is_told_is_no_setting(self):
        server = self.server()
        hooked, own = self.directory("hooked", ["x"]), self.directory("own", ["private"])
        config = self.config(f'[[folder]]\nname = "own"\ndirectory = "{own}"\n')
        script = self.put(os.path.join(self.base, "hook.sh"),
                          f"#!/bin/sh\nexec {SYNCAGENT} sync --server {server.address} "
                          f"--config {config} > {self.base}/out 2>&1\n")
        os.chmod(script, stat.S_IRWXU)
        result = run("sync", "--server", server.address, "--folder", "hooked", "--on-synced",
                     script, hooked)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        said = run("status", "--json", own).stdout
        self.assertIn('"folder": "own"', said)
        with open(os.path.join(self.base, "out"), encoding="utf-8") as out:
            self.assertNotIn("no setting", out.read())

    def test_deeply_dotted_keys(self):
        config = self.config("a" + ".a" * 200_000 + " = 1\n")
        self.refused("config", "--config", config, said="dots")

    def test_empty_values(self):
        a = self.directory("A")
        self.refused("sync", "--name", "", a, said="--name")
        self.refused("sync", "--config", self.config('[[folder]]\ndirectory = ""\n'),
                     said="config.toml:2")

    def test_config_checks_without_a_directory(self):
        self.refused("config", "--limit-up", "nonsense", said="--limit-up")
        self.refused("config", "--sync", "foo", said="--sync")
        self.refused("config", "--mode", "sideways", said="--mode")
        self.assertEqual(0, run("config", "--limit-up", "1M", cwd=self.base).returncode)

    def test_a_pipe_called_env(self):
        os.mkfifo(os.path.join(self.base, ".env"))
        self.refused("config", said=".env", cwd=self.base)

    def test_settings_before_a_command_that_takes_none(self):
        a = self.directory("A")
        self.refused("--limit-up", "3", "status", a, said="--limit-up")

    def test_repeated_settings_around_a_command(self):
        said = run("--ignore", "a", "config", "--ignore", "b", cwd=self.base).stdout
        self.assertRegex(said, r'ignore = \["a", "b"\]')


class ReloadTest(NuisanceTestCase):
    def setUp(self):
        super().setUp()
        self.server_ = self.server()
        home = self.directory("home/.config/syncagent")
        self.path = os.path.join(home, "config.toml")
        self.env = {**os.environ, "HOME": os.path.join(self.base, "home")}
        self.env.pop("XDG_CONFIG_HOME", None)

    def start(self):
        return self.agent("A", self.server_, env=self.env)

    def says(self, agent, text):
        return text in agent.process.output()

    def test_a_file_that_is_cut_and_written_again(self):
        whole = 'ignore = ["*.secret"]\n'
        self.put(self.path, whole)
        a = self.start()
        b = self.agent("B", self.server_)
        a.write("a.secret", "secret")
        a.write("x", "x")
        self.arrives(b, "x", "x")
        for change in (lambda: self.put(self.path, ""), lambda: os.unlink(self.path)):
            change()
            wait_until(lambda: self.says(a, "is empty or gone"), "it is refused")
            a.process.signal(signal.SIGHUP)
            self.put(self.path, whole)
            a.write("y", "y")
            self.arrives(b, "y", "y")
        self.put(self.path, whole + 'log_level = "debug"\n')
        wait_until(lambda: self.says(a, "the configuration was read again"), "it is read again")
        a.write("z", "z")
        self.arrives(b, "z", "z")
        self.assertFalse(os.path.exists(b.path("a.secret")))

    def test_another_setting_does_not_end_the_window_of_a_schedule(self):
        b = self.agent("B", self.server_)
        data = os.urandom(3_000_000)
        self.put(self.path, 'schedule = "* * * * *"\nlimit_up = "400k"\n')
        # Its window is open from the start of a minute on.
        if time.time() % 60 > 40:
            time.sleep(61 - time.time() % 60)
        a = self.agent("A", self.server_, env=self.env, start=False)
        a.write("big", data)
        a.start()
        wait_until(lambda: a.status().get("state", "").startswith("paused") or
                   int(a.status().get("bytesSent", 0)) > 0, "A works or waits", 70)
        wait_until(lambda: int(a.status().get("bytesSent", 0)) > 0, "it has begun", 70)
        self.put(self.path, 'schedule = "* * * * *"\nlimit_up = "400k"\nlog_level = "debug"\n')
        wait_until(lambda: self.says(a, "the configuration was read again"), "it is read again")
        self.assertFalse(a.status()["state"].startswith("paused"), a.status()["state"])
        self.arrives(b, "big", data)

    def test_a_location_that_could_not_be_replaced_is_tried_again(self):
        a = self.directory("D", ["x"])
        away = os.path.join(self.base, "away")
        table = f'[[folder]]\nname = "default"\ndirectory = "{a}"\n'
        self.put(self.path, table)
        process = harness.Process([SYNCAGENT, "--server", self.server_.address],
                                  os.path.join(self.base, "agent.log"), env=self.env)
        self.addCleanup(process.stop)
        wait_until(lambda: "in sync" in process.output(), "in sync")
        os.rename(a, away)
        self.put(self.path, table + 'mode = "source-backup"\n')
        wait_until(lambda: "does not exist" in process.output() or "No such file" in
                   process.output(), "it is said")
        os.rename(away, a)
        process.signal(signal.SIGHUP)
        wait_until(lambda: '"mode": "source-backup"' in run("status", "--json", a).stdout and
                   '"state": "in sync"' in run("status", "--json", a).stdout, "it goes on")


    def test_metrics_of_a_folder_that_is_not_synced_any_more(self):
        one, two = self.directory("one", ["x"]), self.directory("two", ["y", "z"])
        first = f'[[folder]]\nname = "one"\ndirectory = "{one}"\n'
        self.put(self.path, first + f'[[folder]]\nname = "two"\ndirectory = "{two}"\n')
        port = harness.free_port()
        process = harness.Process(
            [SYNCAGENT, "--server", self.server_.address, "--http", f"127.0.0.1:{port}"],
            os.path.join(self.base, "agent.log"), env=self.env)
        self.addCleanup(process.stop)

        def metrics():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
                return answer.read().decode()

        def state(folder, state):
            found = re.search(rf'filesync_agent_state{{folder="{folder}",state="{state}"}} (\d)',
                              metrics())
            return found and found.group(1)
        wait_until(lambda: process.output() and state("one", "in sync") == "1" and
                   state("two", "in sync") == "1", "both are in sync")
        self.put(self.path, first)
        wait_until(lambda: state("two", "in sync") == "0", "one is gone")
        self.assertEqual("1", state("one", "in sync"))


class PeerTest(NuisanceTestCase):
    def test_silent_clients_of_the_control_socket(self):
        a = self.agent("A", self.server())
        wait_until(a.in_sync, "in sync")
        peers = []
        for _ in range(3):
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.addCleanup(peer.close)
            peer.connect(os.path.join(a.dir, ".syncagent", "control.sock"))
            peers.append(peer)
        self.assertEqual(0, run("status", a.dir).returncode)
        for _ in range(3):
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.addCleanup(peer.close)
            peer.connect(os.path.join(a.dir, ".syncagent", "control.sock"))
        self.assertEqual(0, a.stop())

    def test_a_server_that_says_nothing(self):
        """It takes the stream, and never a Welcome comes."""
        ends = threading.Event()

        def silence(_requests, _context):
            ends.wait()
            yield from ()
        server = grpc.server(futures.ThreadPoolExecutor(4))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            "filesync.v1.SyncService", {"Sync": grpc.stream_stream_rpc_method_handler(silence)}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(server.stop, None)
        self.addCleanup(ends.set)
        # Five tries of 15 s, and up to 50 s between them.
        result = run("sync", "--server", f"127.0.0.1:{port}", self.directory("A"), timeout=240)
        self.assertEqual(5, result.returncode, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
