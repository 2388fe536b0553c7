"""A directory stays in step with the server and the folder that it is in step with, and an agent with
the files that named its directories, unless a person says otherwise."""
import json
import os
import pty
import signal
import subprocess
import unittest

import harness
from harness import SYNCAGENT, wait_until


class BindingTestCase(harness.SyncTestCase):
    def setUp(self):
        super().setUp()
        home = os.path.join(self.base, "home")
        os.mkdir(home)
        self.env = {**os.environ, "HOME": home}
        self.env.pop("XDG_CONFIG_HOME", None)

    def call(self, *arguments, **options):
        return subprocess.run([SYNCAGENT, *arguments], capture_output=True, text=True, check=False,
                              timeout=90, env={**self.env, **options.pop("env", {})}, **options)

    def ok(self, *arguments, **options):
        result = self.call(*arguments, **options)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        return result

    def put(self, path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


class BindingTest(BindingTestCase):
    def setUp(self):
        super().setUp()
        self.first, self.second = self.server(), self.server(name="second")
        self.dir = os.path.join(self.base, "dir")
        self.put(os.path.join(self.dir, "file"), "x")
        self.ok("sync", "--server", self.first.address, "--folder", "docs", self.dir)

    def entries(self, server, folder):
        other = os.path.join(self.base, f"look-{len(os.listdir(self.base))}")
        os.mkdir(other)
        self.ok("sync", "--server", server.address, "--folder", folder, other)
        return sorted(set(os.listdir(other)) - {".syncagent"})

    def test_what_is_not_said_is_as_it_was(self):
        self.put(os.path.join(self.dir, "more"), "y")
        listed = json.loads(self.ok("list", "--json", self.dir).stdout)
        self.assertEqual("1", listed["total"])
        dry = json.loads(self.ok("sync", "--dry-run", "--json", self.dir).stdout)
        self.assertEqual(["more"], [action["path"] for action in dry["locations"][0]["actions"]])
        shown = self.ok("config", self.dir).stdout
        self.assertIn(f'server = "{self.first.address}"', shown)
        self.assertIn('name = "docs"', shown)
        self.assertIn("docs", self.ok("doctor", self.dir).stdout)
        self.ok("sync", self.dir)
        self.assertEqual(["file", "more"], self.entries(self.first, "docs"))
        agent = self.agent("A", self.first, folder="docs", directory=self.dir, start=False)
        agent.process = harness.Process([SYNCAGENT, self.dir], agent.log, env=self.env)
        wait_until(agent.in_sync, "an agent that is told nothing is in sync")
        self.assertEqual(self.first.address, agent.status()["server"])

    def test_another_is_refused_by_all(self):
        os.unlink(os.path.join(self.dir, "file"))
        for arguments in (("--server", self.second.address), ("--folder", "other"),
                          ("--server", self.second.address, "--folder", "other")):
            for command in (("run",), ("sync",), ("sync", "--dry-run"), ("list",), ("doctor",),
                            ("config",)):
                result = self.call(*command, *arguments, self.dir)
                self.assertEqual(2, result.returncode, (command, result.stdout, result.stderr))
                for name in ("'docs'", self.first.address, *arguments[1::2], "--rebind"):
                    self.assertIn(name, result.stderr, command)
        result = self.call("sync", self.dir, env={"SYNCAGENT_SERVER": self.second.address})
        self.assertEqual(2, result.returncode)
        self.assertIn("SYNCAGENT_SERVER", result.stderr)
        # The same, said another way.
        self.ok("sync", "--server", self.first.address, "--sync", f"docs={self.dir}")
        self.assertEqual([], self.entries(self.first, "docs"))
        self.assertEqual(0, self.second.metric("filesync_folder_entries"))

    def test_rebinding_is_asked_for_and_merges(self):
        there = os.path.join(self.base, "there")
        self.put(os.path.join(there, "file"), "another")
        self.put(os.path.join(there, "theirs"), "z")
        self.ok("sync", "--server", self.second.address, "--folder", "other", there)
        arguments = ("sync", "--rebind", "--server", self.second.address, "--folder", "other",
                     self.dir)
        nobody = self.call(*arguments, stdin=subprocess.DEVNULL)
        self.assertEqual(2, nobody.returncode)
        self.assertIn("--yes", nobody.stderr)
        self.assertEqual(2, self.answer(arguments, b"n\n"))
        self.ok("sync", self.dir)
        self.assertEqual(["file"], self.entries(self.first, "docs"))
        # Conflicts are kept, nothing is deleted anywhere.
        self.assertEqual(0, self.answer(arguments, b"y\n"))
        self.ok("sync", self.dir)
        self.assertEqual(3, len(set(os.listdir(self.dir)) - {".syncagent"}))
        self.assertEqual(3, len(self.entries(self.second, "other")))
        self.assertEqual(["file"], self.entries(self.first, "docs"))
        back = ("sync", "--rebind", "--yes", "--server", self.first.address, "--folder", "docs",
                self.dir)
        self.ok(*back)
        found = set()
        for name in set(os.listdir(self.dir)) - {".syncagent"}:
            with open(os.path.join(self.dir, name), encoding="utf-8") as file:
                found.add(file.read())
        self.assertEqual({"x", "another", "z"}, found)
        self.assertIn("theirs", self.entries(self.first, "docs"))
        self.ok("sync", there)
        self.assertEqual(3, len(self.entries(self.second, "other")))

    def answer(self, arguments, text):
        leader, terminal = pty.openpty()
        process = subprocess.Popen([SYNCAGENT, *arguments], stdin=terminal, env=self.env,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.write(leader, text)
        output = process.communicate(timeout=90)[0].decode()
        os.close(terminal)
        os.close(leader)
        self.assertIn("Go on?", output)
        return process.returncode

    def test_a_damaged_note_unbinds_nothing(self):
        note = os.path.join(self.dir, ".syncagent", "bound-to")
        for text in ("", "garbage", "one\ntwo\nthree\n"):
            self.put(note, text)
            self.assertEqual(2, self.call("sync", "--folder", "other", self.dir).returncode, text)
            self.ok("sync", self.dir)
            self.put(note, text)
            self.ok("sync", self.dir)

    def test_a_server_that_never_answered_binds_nothing(self):
        fresh = os.path.join(self.base, "fresh")
        os.mkdir(fresh)
        nowhere = f"127.0.0.1:{harness.free_port()}"
        self.assertEqual(5, self.call("sync", "--server", nowhere, fresh).returncode)
        self.ok("sync", "--server", self.first.address, "--folder", "docs", fresh)
        self.assertIn("file", os.listdir(fresh))


class NamingFileTest(BindingTestCase):
    def setUp(self):
        super().setUp()
        self.server_ = self.server()
        self.work = os.path.join(self.base, "work")
        for name in ("docs", "src"):
            os.makedirs(os.path.join(self.work, name))
        self.config = os.path.join(self.base, "home", ".config", "syncagent", "config.toml")
        self.b = self.agent("B", self.server_, env=self.env)

    def start(self, *arguments):
        process = harness.Process([SYNCAGENT, *arguments], os.path.join(self.base, "A.log"),
                                  env=self.env, cwd=self.work)
        self.addCleanup(process.stop)
        return process

    def still_synced(self, text):
        self.put(os.path.join(self.work, "docs", "file"), text)
        self.arrives(self.b, "file", text)

    def test_the_env_file_of_some_project(self):
        table = f'server = "{self.server_.address}"\n[[folder]]\ndirectory = "{self.work}/docs"\n'
        for named in ("arguments", "configuration"):
            with self.subTest(named):
                if named == "configuration":
                    self.put(self.config, table)
                process = self.start() if named == "configuration" else \
                    self.start("--server", self.server_.address, "docs")
                self.still_synced(named)
                env = self.put(os.path.join(self.work, ".env"),
                               "WATCH_DIR=./src\nSYNCAGENT_LOG_LEVEL=debug\n")
                for count in range(2):
                    process.signal(signal.SIGHUP)
                    wait_until(lambda n=count: process.output().count("was read again") > n,
                               "it is read again")
                    self.still_synced(f"{named} {count}")
                self.assertNotIn("not synced any more", process.output())
                self.assertFalse(os.path.exists(os.path.join(self.work, "src", ".syncagent")))
                process.stop()
                # Nor when it starts beside it.
                process = self.start() if named == "configuration" else \
                    self.start("--server", self.server_.address, "docs")
                self.still_synced(f"{named} again")
                self.assertFalse(os.path.exists(os.path.join(self.work, "src", ".syncagent")))
                process.stop()
                os.unlink(env)

    def test_alone_it_is_read_and_no_other_file_takes_its_place(self):
        self.put(os.path.join(self.work, ".env"),
                 f"WATCH_DIR=docs\nSYNCAGENT_SERVER={self.server_.address}\n")
        process = self.start()
        self.still_synced("by .env")
        self.put(self.config, f'[[folder]]\ndirectory = "{self.work}/src"\n')
        process.signal(signal.SIGHUP)
        wait_until(lambda: "was read again" in process.output(), "it is read again")
        self.still_synced("by .env still")
        os.unlink(os.path.join(self.work, ".env"))
        process.signal(signal.SIGHUP)
        wait_until(lambda: process.output().count("was read again") > 1, "it is read again")
        self.still_synced("and without it")
        self.assertFalse(os.path.exists(os.path.join(self.work, "src", ".syncagent")))

    def test_by_name_it_is_read_whatever_else_there_is(self):
        self.put(self.config, 'log_level = "debug"\n')
        env = self.put(os.path.join(self.base, "mine.env"),
                       f"WATCH_DIR={self.work}/docs\nSYNCAGENT_SERVER={self.server_.address}\n")
        self.start("--env-file", env)
        self.still_synced("by name")


if __name__ == "__main__":
    unittest.main()
