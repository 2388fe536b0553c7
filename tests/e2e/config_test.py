"""Settings: where they come from, which one decides, what is refused, and reading them again."""
import json
import os
import pwd
import signal
import subprocess
import unittest

import harness
from harness import wait_until

MIB = 1 << 20

# Values that each setting refuses, and what the error says was expected.
WRONG = {
    "server": (["", "host", "host:", ":1", "host:70000", "host:x"], "HOST:PORT"),
    "folder": (["a\nb", "x" * 300], "folder"),
    "directory": ([""], "directory"),
    "sync": (["docs", "=dir", "docs="], "FOLDER=DIR"),
    "name": (["a\nb", "x" * 65, "\x1b[31m"], "printable"),
    "config": (["/absent/config.toml"], "file"),
    "env-file": (["/absent/.env"], "file"),
    "mode": (["", "sideways", "two way"], "two-way"),
    "conflict": (["", "oldest", "*.db=", "=newest"], "newest"),
    "first-sync": (["", "both-win", "remote wins please"], "local-wins"),
    "ignore": (["a\nb"], "line break"),
    "use-gitignore": (["maybe"], ""),
    "allow-shared-root": (["maybe"], ""),
    "include": (["", "../x", "/x", "a//b"], "subtree"),
    "exclude": (["", "..", "a/../b"], "subtree"),
    "compare": (["", "crc", "size+mtime"], "size-mtime"),
    "max-delete": (["", "half", "-1", "101%", "1.5"], "expected"),
    "limit-up": (["fast", "-1", "10Q", "25:00 1M", "08:00"], "expected"),
    "limit-down": (["fast", "-1", "10Q", "25:00 1M", "08:00"], "expected"),
    "transfers": (["", "0", "1.5", "many", "100000"], "from 1 to"),
    "compression": (["", "0", "20", "best", "-1"], "from 1 to 19"),
    "priority": (["", "urgent", "1"], "high, normal or low"),
    "schedule": (["now", "* * * *", "61 * * * *", "0 0 30 2 *"], "expected"),
    "preserve": (["mode", "owner,"], "expected"),
    "trash-days": (["", "0", "-1", "soon", "1.5"], "days"),
    "trash-size": (["", "0", "-1", "1KB", "G"], "500M"),
    "on-synced": (["", "'x", " "], "expected"),
    "on-conflict": (["", "'x", " "], "expected"),
    "on-error": (["", "'x", " "], "expected"),
    "hook-timeout": (["", "0", "-1", "soon", "inf", "nan"], "seconds"),
    "http": (["", "here", "127.0.0.1:99999"], "HOST:PORT"),
    "log-level": (["", "loud"], "debug"),
}


BY_NAME = {"SYNCAGENT_ENV_FILE": ".env"}


def run(*arguments, env=None, **options):
    return subprocess.run([harness.SYNCAGENT, *arguments], capture_output=True, text=True,
                          check=False, timeout=60, env={**os.environ, **(env or {})}, **options)


class SourcesTest(harness.SyncTestCase):
    def setUp(self):
        super().setUp()
        self.work = os.path.join(self.base, "work")
        os.makedirs(os.path.join(self.work, "dir"))

    def put(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def call(self, *arguments, env=None):
        return run(*arguments, env={"HOME": self.base, "XDG_CONFIG_HOME": "", **(env or {})},
                   cwd=self.work)

    def settings(self, *arguments, env=None):
        """{name: (values, source)} of what is in effect for the only directory."""
        result = self.call("config", "--json", *arguments, env=env)
        self.assertEqual(0, result.returncode, result.stderr)
        answer = json.loads(result.stdout)
        found = answer.get("settings", []) + \
            [s for location in answer.get("locations", []) for s in location["settings"]]
        return {s["name"]: (s.get("values", []), s["source"]) for s in found}

    def test_the_strongest_source_decides(self):
        def mode(*arguments, env=None):
            return self.settings(*arguments, "./dir", env=env)["mode"]
        self.assertEqual((["two-way"], "default"), mode())
        config = self.put("config.toml", "# mine\nmode = 'std'\n")
        use = {"SYNCAGENT_CONFIG": config}
        self.assertEqual((["std"], f"{config}:2"), mode(env=use))
        self.put("config.toml", "mode = 'std'\n[[folder]]\ndirectory = 'dir'\nmode = 'sb'\n")
        self.assertEqual((["sb"], f"{config}:4"), mode(env=use))
        self.put(".env", "\nSYNCAGENT_MODE=dts\n")
        # Some project's, unless it is named.
        self.assertEqual((["sb"], f"{config}:4"), mode(env=use))
        use.update(BY_NAME)
        self.assertEqual((["dts"], ".env:2"), mode(env=use))
        self.assertEqual((["db"], "SYNCAGENT_MODE"), mode(env={**use, "SYNCAGENT_MODE": "db"}))
        self.assertEqual({"folder": "docs", "directory": "./dir"},
                         {key: value for key, value in json.loads(self.call(
                             "config", "--json", "--folder", "docs", "--directory", "./dir",
                             "--env-file", "none", env=use).stdout)["locations"][0].items()
                          if key != "settings"})
        self.assertEqual((["tw"], "--mode"),
                         mode("--mode", "tw", env={**use, "SYNCAGENT_MODE": "db"}))

    def test_the_users_configuration_is_found(self):
        os.makedirs(os.path.join(self.base, ".config", "syncagent"))
        path = os.path.join(self.base, ".config", "syncagent", "config.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("log_level = 'debug'\n")
        self.assertEqual((["debug"], f"{path}:1"), self.settings()["log_level"])
        self.assertEqual((["info"], "default"), self.settings("--config", "none")["log_level"])

    def test_what_is_shown_can_be_used(self):
        shown = self.call("config", "-i", "*.o", "-i", 'a"b\\c', "--use-gitignore", "--limit-up",
                          "08:00 1M, 19:00 off", "--max-delete", "10%", "./dir")
        self.assertEqual(0, shown.returncode, shown.stderr)
        path = self.put("shown.toml", shown.stdout)
        settings = self.settings("--config", path)
        self.assertEqual(["*.o", 'a"b\\c'], settings["ignore"][0])
        self.assertEqual(["08:00 1M, 19:00 off"], settings["limit_up"][0])
        self.assertEqual(["true"], settings["use_gitignore"][0])
        self.assertEqual(["10%"], settings["max_delete"][0])

    def test_older_names_in_env(self):
        self.put(".env", "WATCH_DIR=dir\nIGNORE_PATTERNS=*.tmp,node_modules/\n"
                         "COMPRESSION_ENABLED=false\nSERVER_ADDRESS=host:1\nLOG_LEVEL=warn\n")
        settings = self.settings()
        self.assertEqual((["*.tmp", "node_modules/"], ".env:2"), settings["ignore"])
        self.assertEqual(["off"], settings["compression"][0])
        self.assertEqual(["host:1"], settings["server"][0])
        self.assertEqual(["warn"], settings["log_level"][0])

    def test_wrong_values_are_refused_from_every_source(self):
        listed = {name for name in self.settings_of_manual()}
        self.assertEqual(listed, set(WRONG), "each setting has its wrong values here")
        for name, (values, expected) in WRONG.items():
            for value in values:
                with self.subTest(name=name, value=value):
                    self.refuse(name, value, expected)

    def settings_of_manual(self):
        text = self.call("man", "--markdown").stdout.split("## Settings")[1]
        for line in text.split("## Exit codes")[0].splitlines():
            if line.startswith("- `"):
                yield line.split("--")[1].split("`")[0].split(" ")[0]

    def refuse(self, name, value, expected):
        where = [] if name in ("directory", "sync") else ["dir"]
        flag = f"--{name}={value}" if name in ("use-gitignore", "allow-shared-root") else None
        result = self.call("sync", *([flag] if flag else [f"--{name}", value]), *where)
        self.assertEqual(2, result.returncode, result.stderr)
        self.assertIn(f"--{name}", result.stderr)
        self.assertIn(expected, result.stderr)
        if "\n" in value or "\x1b" in value or name in ("config", "env-file") or not value:
            return
        variable = "SYNCAGENT_" + name.upper().replace("-", "_")
        result = self.call("sync", *where, env={variable: value})
        self.assertEqual(2, result.returncode, result.stderr)
        self.assertIn(variable, result.stderr)
        self.put(".env", f"# comment\n{variable}='{value}'\n")
        result = self.call("sync", *where, env=BY_NAME)
        os.unlink(os.path.join(self.work, ".env"))
        self.assertEqual(2, result.returncode, result.stderr)
        self.assertIn(".env:2", result.stderr)
        key = name.replace("-", "_")
        path = self.put("c.toml", f"\n\n{key} = '{value}'\n")
        result = self.call("sync", "--config", path, *where)
        self.assertEqual(2, result.returncode, result.stderr)
        self.assertIn(f"{path}:3", result.stderr)

    def test_broken_files_are_refused_with_file_and_line(self):
        for text, line, expected in (("mode = ", 1, ""), ("a = 1\nmode = 'tw'", 1, "no setting"),
                                     ("mode = 'tw'\n[[folder]\n", 2, ""),
                                     ("mode = 'tw'\nmode = 'tw'\n", 2, ""),
                                     ("[[folder]]\nname = 'x'\n", 1, "directory"),
                                     ("use_gitignore = 'x'\n", 1, "true or false")):
            path = self.put("broken.toml", text)
            result = self.call("sync", "--config", path, "dir")
            self.assertEqual(2, result.returncode, text)
            self.assertIn(f"{path}:{line}: ", result.stderr)
            self.assertIn(expected, result.stderr)
        for text, expected in (("SYNCAGENT_SERVER", "NAME=VALUE"), ("A='x", "closing"),
                               ("SYNCAGENT_SERVR=x", "no setting")):
            self.put(".env", "A=1\n" + text + "\n")
            result = self.call("sync", "dir", env=BY_NAME)
            self.assertEqual(2, result.returncode, text)
            self.assertIn(".env:2: ", result.stderr)
            self.assertIn(expected, result.stderr)

    def test_a_file_that_can_not_be_read_is_refused(self):
        os.mkdir(os.path.join(self.work, ".env"))
        result = self.call("sync", "dir", env=BY_NAME)
        self.assertEqual(2, result.returncode)
        self.assertIn(".env: expected a readable file", result.stderr)
        os.rmdir(os.path.join(self.work, ".env"))
        path = self.put(".env", "A=1\n")
        os.chmod(path, 0)
        user = {}
        if os.geteuid() == 0:  # root reads everything
            nobody = pwd.getpwnam("nobody")
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid}
            for directory in (self.base, self.work):
                os.chmod(directory, 0o755)
        result = run("sync", "dir", cwd=self.work, env={"HOME": self.base, **BY_NAME}, **user)
        self.assertEqual(2, result.returncode, result.stderr)
        self.assertIn(".env: expected a readable file", result.stderr)

    def test_a_misspelt_variable_is_warned_of(self):
        result = self.call("config", "dir", env={"SYNCAGENT_SERVR": "x"})
        self.assertEqual(0, result.returncode)
        self.assertIn("SYNCAGENT_SERVR", result.stderr)


class ReloadTest(harness.SyncTestCase):
    """One agent on a config.toml that changes, and one that shows what it does."""

    def setUp(self):
        super().setUp()
        self.syncd = self.server()
        self.config = os.path.join(self.base, "config.toml")
        for name in ("A", "A2"):
            os.makedirs(os.path.join(self.base, name))

    def configure(self, *lines, folders=("A",)):
        text = "\n".join([f"server = '{self.syncd.address}'", "name = 'A'", *lines]) + "\n"
        for name in folders:
            text += f"[[folder]]\nname = '{name}'\ndirectory = '{name}'\n"
        with open(self.config + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.config + ".new", self.config)

    def start(self):
        self.log = os.path.join(self.base, "agent.log")
        self.process = harness.Process([harness.SYNCAGENT, "--config", self.config], self.log,
                                       cwd=self.base)
        self.addCleanup(self.process.kill)
        self.a = harness.Agent(self.base, "A", self.syncd)
        self.a.process = self.process

    def peer(self, folder="A", name="B"):
        return self.agent(name, self.syncd, folder=folder)

    def logged(self, text, count=1):
        wait_until(lambda: self.process.output().count(text) >= count, text, 30)

    def test_a_new_limit_holds_at_once_and_streams_stay(self):
        self.configure("limit_up = '00:00 64k'")
        self.start()
        b = self.peer()
        self.a.write("first", "x")
        self.arrives(b, "first", "x")
        content = os.urandom(12 * MIB)
        self.a.write("large", content)
        # At the old rate, this would take three minutes.
        wait_until(lambda: self.a.status().get("bytesSent", "0") != "0", "it is under way", 30)
        self.assertIsNone(b.read("large"))
        self.configure("limit_up = '00:00 off'")
        self.logged("the configuration was read again")
        self.arrives(b, "large", content, 60)
        self.assertEqual(1, self.syncd.process.output().count("agent A ("))

    def test_a_hangup_reads_again(self):
        self.configure("log_level = 'info'")
        self.start()
        self.a.write("x", "x")
        self.arrives(self.peer(), "x", "x")
        self.process.signal(signal.SIGHUP)
        self.logged("the configuration was read again")
        self.assertTrue(self.process.running())

    def test_what_is_wrong_leaves_all_as_it_was(self):
        self.configure()
        self.start()
        b = self.peer()
        self.logged("connected")
        with open(self.config, "a", encoding="utf-8") as file:
            file.write("mode = 'sideways'\n")
        self.logged("stays as it was")
        self.assertIn(f"{self.config}:", self.process.output())
        self.a.write("x", "still synced")
        self.arrives(b, "x", "still synced")
        self.configure("log_level = 'warn'")
        self.a.write("y", "again")
        self.arrives(b, "y", "again")

    def test_rules_come_and_go(self):
        self.configure()
        self.start()
        b = self.peer()
        self.a.write("first", "x")
        self.arrives(b, "first", "x")
        self.configure("ignore = ['*.log']")
        self.logged("read again")
        self.a.write("a.log", "hidden")
        self.a.write("second", "x")
        self.arrives(b, "second", "x")
        self.assertIsNone(b.read("a.log"))
        self.configure()
        self.arrives(b, "a.log", "hidden")
        self.assertEqual(1, self.syncd.process.output().count("agent A ("))

    def test_a_brake_that_is_lifted_lets_go(self):
        self.configure("max_delete = '3'")
        self.start()
        b = self.peer()
        for number in range(8):
            self.a.write(f"file-{number}", "x" * number)
        self.converge(self.a, b)
        for number in range(6):
            os.unlink(self.a.path(f"file-{number}"))
        wait_until(lambda: self.a.status()["state"].startswith("held"), "A holds them", 30)
        self.assertEqual(8, len([name for name in os.listdir(b.dir) if name != ".syncagent"]))
        self.configure("max_delete = 'off'")
        wait_until(lambda: b.read("file-5") is None, "B follows", 30)
        self.converge(self.a, b)
        self.assertEqual(1, self.syncd.process.output().count("agent A ("))

    def test_another_comparison_holds_at_once(self):
        self.configure("compare = 'size'")
        self.start()
        b = self.peer()
        self.a.write("x", "12345")
        self.converge(self.a, b)
        self.process.kill()
        self.a.write("x", "54321")
        self.start()
        wait_until(self.a.in_sync, "A is in sync", 30)
        self.assertEqual(b"12345", b.read("x"))
        self.configure("compare = 'hash'")
        self.arrives(b, "x", "54321")

    def test_folders_come_and_go(self):
        self.configure()
        self.start()
        b = self.peer()
        self.a.write("x", "x")
        self.arrives(b, "x", "x")
        a2 = harness.Agent(self.base, "A2", self.syncd, folder="A2")
        a2.write("y", "other")
        self.configure(folders=("A", "A2"))
        b2 = self.peer("A2", "B2")
        self.arrives(b2, "y", "other")
        self.configure(folders=("A2",))
        wait_until(lambda: not self.a.status().get("running"), "A is no longer synced", 30)
        a2.write("z", "goes on")
        self.arrives(b2, "z", "goes on")

    def test_another_mode_starts_that_folder_anew(self):
        self.configure(folders=("A", "A2"))
        self.start()
        b = self.peer()
        self.a.write("x", "x")
        self.arrives(b, "x", "x")
        self.configure("mode = 'source-to-destination'")
        wait_until(lambda: self.a.status().get("mode") == "source-to-destination", "the mode", 30)
        b.write("x", "undone")
        wait_until(lambda: b.read("x") == b"x", "the mirror undid it", 30)

    def test_several_folders_of_one_file(self):
        self.configure("ignore = ['*.tmp']", folders=("A", "A2"))
        with open(self.config, "a", encoding="utf-8") as file:
            file.write("ignore = ['*.bak']\n")  # of A2 alone
        self.start()
        a2 = harness.Agent(self.base, "A2", self.syncd, folder="A2")
        b, b2 = self.peer(), self.peer("A2", "B2")
        for agent in (self.a, a2):
            for name in ("x.tmp", "x.bak", "x"):
                agent.write(name, name)
        for agent, there, hidden in ((b, "x.bak", "x.tmp"), (b2, "x.tmp", "x.bak")):
            self.arrives(agent, there, there)
            self.arrives(agent, "x", "x")
            self.assertIsNone(agent.read(hidden))


if __name__ == "__main__":
    unittest.main()
