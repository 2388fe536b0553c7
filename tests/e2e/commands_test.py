"""The command line explains itself: help, completions, manual, and documentation that is not
older than the program."""
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

SHELLS = ("bash", "zsh", "fish")


def run(*arguments, **options):
    return subprocess.run([harness.SYNCAGENT, *arguments], capture_output=True, text=True,
                          check=False, timeout=60, **options)


def committed(name):
    with open(os.path.join(harness.ROOT, "docs", name), encoding="utf-8") as file:
        return file.read()


def manual():
    return run("man", "--markdown").stdout


def commands():
    """Names as typed: "run", "ignore test"."""
    text = manual().split("## Settings")[0]
    names = re.findall(r"^### `syncagent (.*)`$", text, re.M)
    return [re.match(r"\[?([a-z]+(?: [a-z]+)?)", name).group(1) for name in names]


def flags():
    return sorted(set(re.findall(r"^- `(?:-., )?--([a-z-]+)", manual(), re.M)))


class HelpTest(unittest.TestCase):
    def check_help(self, result):
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual("", result.stderr)
        lines = result.stdout.splitlines()
        self.assertLess(len(lines), 24, result.stdout)
        self.assertLessEqual(max(map(len, lines)), 80, result.stdout)
        self.assertIn("Example: ", result.stdout)
        self.assertNotIn("\x1b", result.stdout)

    def test_each_command_explains_itself_on_one_screen(self):
        self.check_help(run("--help"))
        self.assertGreaterEqual(len(commands()), 12)
        for name in commands():
            with self.subTest(name=name):
                self.check_help(run(*name.split(), "--help"))
                self.check_help(run("help", name.split()[0] if name != "ignore test" else name))

    def test_topics(self):
        for name in run("--help").stdout.split("Topics:")[1].split():
            with self.subTest(name=name):
                self.check_help(run("help", name))

    def test_synonyms(self):
        for name in ("watch", "start"):
            self.assertEqual(run("run", "--help").stdout, run(name, "--help").stdout)

    def test_version(self):
        self.assertRegex(run("--version").stdout, r"^syncagent \d+\.\d+\.\d+\n$")

    def test_wrong_usage_says_what_to_do(self):
        for arguments in (["--nonsense"], ["status"], ["status", "a", "b"], ["ignore"],
                          ["ignore", "test"], ["sync", "--mode"], ["help", "nothing"],
                          ["completion", "tcsh"], ["completion"], ["wait", "--timeout", "x", "."],
                          ["--yes", "status", "."], ["status", "--yes", "."]):
            with self.subTest(arguments=arguments):
                result = run(*arguments)
                self.assertEqual(2, result.returncode, result.stdout)
                self.assertTrue(result.stderr.startswith("syncagent: "), result.stderr)
                self.assertEqual("", result.stdout)


class CompletionTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="filesync-", dir=harness.scratch())
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        os.mkdir(os.path.join(self.directory, "mydir"))

    def script(self, shell):
        path = os.path.join(self.directory, shell)
        with open(path, "w", encoding="utf-8") as file:
            file.write(run("completion", shell).stdout)
        return path

    def test_shells_can_read_their_scripts(self):
        for shell in SHELLS:
            with self.subTest(shell=shell):
                checked = subprocess.run([shell, "-n", self.script(shell)], capture_output=True,
                                         text=True, check=False, timeout=60)
                self.assertEqual((0, "", ""),
                                 (checked.returncode, checked.stdout, checked.stderr))

    def complete(self, *words):
        """What bash offers after these words."""
        quoted = " ".join(f"'{word}'" for word in words)
        text = (f"source {self.script('bash')}; COMP_WORDS=({quoted}); "
                f"COMP_CWORD={len(words) - 1}; _syncagent; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        return subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True,
                              cwd=self.directory, timeout=60).stdout.split()

    def test_bash_completes(self):
        self.assertEqual(["status"], self.complete("syncagent", "stat"))
        self.assertIn("mydir", self.complete("syncagent", "my"))
        self.assertEqual(["--max-delete"], self.complete("syncagent", "sync", "--max-d"))
        self.assertEqual(["--limit-up"], self.complete("syncagent", "--limit-u"))
        self.assertEqual(["source-to-destination", "source-backup"],
                         self.complete("syncagent", "--mode", "source"))
        self.assertEqual(["--json"], self.complete("syncagent", "status", "--j"))
        self.assertEqual(["mydir"], self.complete("syncagent", "status", "my"))
        self.assertEqual(["fish"], self.complete("syncagent", "completion", "f"))
        self.assertEqual(["test"], self.complete("syncagent", "ignore", ""))

    def test_fish_completes(self):
        def complete(line):
            text = f"source {self.script('fish')}; complete -C '{line}'"
            out = subprocess.run(["fish", "--no-config", "-c", text], capture_output=True,
                                 text=True, check=True, cwd=self.directory, timeout=60,
                                 env={**os.environ, "HOME": self.directory}).stdout
            return [row.split("\t")[0] for row in out.splitlines()]
        self.assertIn("status", complete("syncagent stat"))
        self.assertIn("--max-delete", complete("syncagent --max-d"))
        self.assertIn("source-backup", complete("syncagent --mode source-b"))


class DocumentationTest(unittest.TestCase):
    def test_the_documentation_is_of_this_program(self):
        """To bring it up to date: syncagent man > docs/syncagent.1, and with --markdown."""
        self.assertEqual(run("man").stdout, committed("syncagent.1"))
        self.assertEqual(manual(), committed("syncagent.md"))

    def test_the_manual_is_well_formed(self):
        checked = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"],
                                 input=run("man").stdout, capture_output=True, text=True,
                                 check=False, timeout=60)
        self.assertEqual((0, ""), (checked.returncode, checked.stderr))

    def test_each_command_and_flag_is_used_by_some_test(self):
        text = ""
        for path in glob.glob(os.path.join(harness.ROOT, "tests", "e2e", "*.py")):
            with open(path, encoding="utf-8") as file:
                text += file.read()
        for flag in flags():
            self.assertTrue(re.search(rf'"--{flag}["=]', text), f"no test uses --{flag}")
        for name in commands():
            quoted = '", "'.join(name.split())
            self.assertTrue(f'"{quoted}"' in text, f"no test uses {name}")


if __name__ == "__main__":
    unittest.main()
