"""Runs the tests of one tier: GoogleTest programs through CTest, Python suites side by side.

    tests/runner.py --build DIR --tier quick|standard|faults|all|containers [--jobs N]

`tests/run.sh` builds first and calls it. Every Python suite gets a range of ports and a scratch
directory of its own. Ends with a table and "N passed, N failed"; exits with 1 if anything failed.
What suites print is in build/test-logs; of those that fail the end is shown.
"""
import argparse
import ast
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, "build", "test-logs")
PYTHON = "/usr/bin/python3"  # the one that Debian's modules belong to
FIRST_PORT = 12000           # below what the system gives to clients
PORTS_EACH = 1000
SUITE_DEADLINE = 1800.0

# These measure times or need most of the machine's memory or disk.
ALONE = {"big_file_test"}
# These take longest: they are cut into their tests, which run side by side.
CUT = {"chaos_test", "dry_run_test", "early_content_test", "failing_calls_test", "follow_test", "nuisances_test",
       "pause_test", "power_cut_test", "progress_test", "traffic_test"}
# About how many seconds; the longest come first. What is not listed takes a few, as most tests of
# what is cut do.
EXPECTED = {"modes_test": 34, "incoming_brake_test": 34, "list_test": 30, "metadata_test": 36,
            "first_sync_test": 27, "kill_test": 24, "saves_test": 24, "subtree_test": 23,
            "resolve_test": 22, "trash_test": 21, "unknown_test": 36, "verdicts_test": 36,
            "chaos_test": 15, "dry_run_test": 10, "early_content_test": 12, "nuisances_test": 10,
            "pause_test": 10, "traffic_test": 15, "follow_test": 4,
            "power_cut_test": 70, "failing_calls_test": 60,
            "nuisances_test.PeerTest.test_a_server_that_says_nothing": 82}
# Power cuts and calls that fail, hundreds of each: for the most part they wait for one another.
FAULTS = {"power_cut_test", "failing_calls_test"}
NEEDS_CONTAINERS = {"compose_test"}


class Outcome:
    def __init__(self, tier):
        self.tier = tier
        self.tests = 0
        self.failed = 0
        self.began = time.monotonic()
        self.seconds = 0.0

    def add(self, tests, failed):
        self.tests += tests
        self.failed += failed

    def end(self):
        self.seconds = time.monotonic() - self.began
        return self


def tail(path, lines):
    with open(path, encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[-lines:])


class Runner:
    def __init__(self, build, jobs):
        self.build = build
        self.jobs = jobs
        self.outcomes = []
        self.failures = []
        self.passed_alone = []
        self.say_lock = threading.Lock()  # of all that is printed
        os.makedirs(LOGS, exist_ok=True)

    def say(self, text):
        with self.say_lock:
            print(text, flush=True)

    def ctest(self, tier, *selection):
        self.say(f"== {tier}")
        outcome = Outcome(tier)
        log = os.path.join(LOGS, "ctest-" + re.sub(r"\W+", "-", tier) + ".log")
        with open(log, "wb") as out:
            code = subprocess.run(
                ["ctest", "--test-dir", self.build, f"-j{os.cpu_count()}", "--output-on-failure",
                 "--no-tests=error", *selection], stdout=out, stderr=out, check=False).returncode
        text = tail(log, 10_000)
        total = re.findall(r"(\d+) tests failed out of (\d+)", text)
        failed, tests = map(int, total[-1]) if total else (1, 1)
        if code != 0:
            failed = max(failed, 1)
            self.failures.append(tier)
            shown = [line for line in text.splitlines()
                     if re.search(r"FAILED|Failure|error|\*\*\*", line)]
            self.say("\n".join(shown[:60]) + "\n" + tail(log, 30))
        outcome.add(tests, failed)
        self.finish(outcome)

    def finish(self, outcome):
        self.outcomes.append(outcome.end())
        self.say(f"   {outcome.tests} tests, {outcome.failed} failed, {outcome.seconds:.0f} s")

    def suites(self, tier, pieces, jobs):
        """Runs pieces, (label, file, tests), `jobs` at a time."""
        if not pieces:
            return
        self.say(f"== {tier}")
        outcome = Outcome(tier)
        waiting = queue.SimpleQueue()
        for piece in pieces:
            waiting.put(piece)
        results = []

        def work(slot):
            while True:
                try:
                    piece = waiting.get_nowait()
                except queue.Empty:
                    return
                results.append((piece, *self.suite_or_failure(slot, piece)))
        # Who is interrupted leaves the rest.
        workers = [threading.Thread(target=work, args=(slot,), daemon=True) for slot in range(jobs)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        for piece, tests, failed in results:
            if failed and jobs > 1:
                tests, failed = self.again(piece, tests)
            outcome.add(tests, failed)
        self.finish(outcome)

    def suite_or_failure(self, slot, piece):
        """What can't even be begun has failed too."""
        try:
            return self.suite(slot, *piece)
        except Exception as error:  # pylint: disable=broad-except
            self.say(f"   {piece[0]}: could not be run: {error}")
            self.failures.append(piece[0])
            return 1, 1

    def again(self, piece, tests):
        """What failed beside others runs once more by itself: a deadline may have been missed for
        want of processor time. What fails then has failed; what passes is named at the end."""
        label = piece[0]
        self.say(f"   {label} once more, by itself")
        self.failures.remove(label)
        count, failed = self.suite_or_failure(0, piece)
        if not failed:
            self.passed_alone.append(label)
        return (count, failed) if failed else (max(count, tests), 0)

    def suite(self, slot, label, file, tests):
        log = os.path.join(LOGS, label + ".log")
        scratch = tempfile.mkdtemp(prefix="filesync-", dir=scratch_directory(label))
        os.chmod(scratch, 0o755)  # some tests run agents as other users
        environment = {**os.environ, "FILESYNC_BIN": os.path.join(self.build, "bin"),
                       "FILESYNC_PORTS": f"{FIRST_PORT + slot * PORTS_EACH}-"
                                         f"{FIRST_PORT + (slot + 1) * PORTS_EACH - 1}",
                       "FILESYNC_TEST_TMP": scratch}
        began = time.monotonic()
        with open(log, "wb") as out:
            try:
                code = subprocess.run([PYTHON, "-B", file, "-v", *tests], stdout=out, stderr=out,
                                      env=environment, cwd=ROOT, check=False,
                                      timeout=SUITE_DEADLINE).returncode
            except subprocess.TimeoutExpired:
                out.write(f"\nnot done after {SUITE_DEADLINE:.0f} s\n".encode())
                code = 1
        seconds = time.monotonic() - began
        subprocess.run(["rm", "-rf", scratch], check=False, capture_output=True)
        count, failed = counts(log)
        if code != 0 or count == 0:
            failed = max(failed, 1)
            count = max(count, 1)
        self.say(f"   {label}: {count} tests, {failed} failed, {seconds:.0f} s")
        if failed:
            self.failures.append(label)
            self.say(tail(log, 60))
        return count, failed

    def table(self):
        lines = [f"{'tier':<42}{'tests':>7}{'failed':>8}{'seconds':>9}"]
        for outcome in self.outcomes:
            lines.append(f"{outcome.tier:<42}{outcome.tests:>7}{outcome.failed:>8}"
                         f"{outcome.seconds:>9.0f}")
        return "\n".join(lines)

    def write_table(self):
        """For other programs: tier, seconds, tests."""
        with open(os.path.join(LOGS, "table.tsv"), "w", encoding="utf-8") as file:
            for outcome in self.outcomes:
                file.write(f"{outcome.tier}\t{outcome.seconds:.0f}\t{outcome.tests}\n")


def counts(log):
    """(tests, failed) of a Python suite, from what unittest printed."""
    text = tail(log, 10_000)
    ran = re.findall(r"^Ran (\d+) tests? in ", text, re.MULTILINE)
    bad = re.findall(r"^FAILED \((.*)\)$", text, re.MULTILINE)
    failed = sum(map(int, re.findall(r"(?:failures|errors)=(\d+)", bad[-1]))) if bad else 0
    return (int(ran[-1]) if ran else 0), failed


def scratch_directory(label):
    """Where a suite keeps its trees: in memory where there is some, but not the largest ones."""
    chosen = os.environ.get("FILESYNC_TEST_TMP")
    if chosen:
        return chosen
    if label in ALONE:
        return "/var/tmp"
    return "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()


def tests_of(file):
    """The names of a suite's tests, "Class.test_name", read from its source."""
    with open(file, encoding="utf-8") as source:
        tree = ast.parse(source.read())
    return [f"{node.name}.{item.name}" for node in tree.body if isinstance(node, ast.ClassDef)
            for item in node.body
            if isinstance(item, ast.FunctionDef) and item.name.startswith("test")]


def python_suites(folder):
    directory = os.path.join(ROOT, "tests", folder)
    return sorted(os.path.join(directory, name) for name in os.listdir(directory)
                  if name.endswith("_test.py"))


def stem(file):
    return os.path.basename(file).removesuffix(".py")


def cut(files):
    """Pieces for Runner.suites, the longest first."""
    pieces = []
    for file in files:
        if stem(file) in CUT:
            pieces += [(f"{stem(file)}.{test}", file, [test]) for test in tests_of(file)]
        else:
            pieces.append((stem(file), file, []))
    return sorted(pieces, key=lambda piece: -EXPECTED.get(piece[0], EXPECTED.get(stem(piece[1]), 5)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--tier", choices=("quick", "standard", "faults", "all", "containers"),
                        default="standard")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1),
                        help="Python suites at once; they wait for most of their time")
    arguments = parser.parse_args()
    # What is started in the background ignores Ctrl-C, and with nohup a terminal that is closed;
    # and so would all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    shutil.rmtree(LOGS, ignore_errors=True)
    runner = Runner(os.path.abspath(arguments.build), arguments.jobs)

    if arguments.tier in ("quick", "standard", "all"):
        runner.suites("lints", cut(python_suites("lint")), arguments.jobs)
        runner.ctest("unit, contract and property tests", "-LE", "integration")
    if arguments.tier in ("standard", "all"):
        runner.ctest("integration tests", "-L", "integration")
        files = [file for file in python_suites("e2e")
                 if stem(file) not in NEEDS_CONTAINERS | FAULTS]
        together = [file for file in files if stem(file) not in ALONE]
        runner.suites("end to end, side by side", cut(together), arguments.jobs)
        runner.suites("end to end, one by one",
                      cut([file for file in files if stem(file) in ALONE]), 1)
    if arguments.tier in ("faults", "all"):
        runner.suites("faults", cut([file for file in python_suites("e2e")
                                     if stem(file) in FAULTS]), 3 * arguments.jobs)
    if arguments.tier in ("all", "containers"):
        runner.suites("containers", cut([file for file in python_suites("e2e")
                                         if stem(file) in NEEDS_CONTAINERS]), 1)

    runner.write_table()
    print("\n" + runner.table())
    if runner.passed_alone:
        print(f"failed side by side, passed by themselves: {' '.join(runner.passed_alone)}")
    if runner.failures:
        print(f"failed: {' '.join(runner.failures)} (logs in {LOGS})")
    failed = sum(outcome.failed for outcome in runner.outcomes)
    tests = sum(outcome.tests for outcome in runner.outcomes)
    print(f"{tests - failed} passed, {failed} failed")
    return 1 if runner.failures else 0


if __name__ == "__main__":
    sys.exit(main())
