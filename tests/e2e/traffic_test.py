"""Bandwidth limits: they hold, small saves go past large files, and timetables are obeyed."""
import os
import subprocess
import time
import unittest

import harness
from harness import wait_until

MIB = 1 << 20


class TrafficTest(harness.SyncTestCase):
    def rate(self, read, seconds):
        """MiB per second that `read` grows by, and the slowest of small saves meanwhile."""
        before, began = read(), time.monotonic()
        slowest = 0.0
        number = 0
        while time.monotonic() - began < seconds:
            saved = time.monotonic()
            number += 1
            self.a.write("small", f"save {number}")
            self.arrives(self.b, "small", f"save {number}")
            slowest = max(slowest, time.monotonic() - saved)
            time.sleep(0.2)  # saves as people make them, not one on another's heels
        return (read() - before) / MIB / (time.monotonic() - began), slowest

    def check(self, flags_a, flags_b, read, seconds):
        server = self.server()
        self.a = self.agent("A", server, flags=flags_a)
        self.b = self.agent("B", server, flags=flags_b)
        self.a.write("before", "x")
        self.arrives(self.b, "before", "x")
        with open(self.a.path("large"), "wb") as file:
            for _ in range(8 * (seconds + 6)):
                file.write(os.urandom(MIB))
        wait_until(lambda: read(self) > 4 * MIB, "the large file is under way", 30)
        rate, slowest = self.rate(lambda: read(self), seconds)
        self.assertAlmostEqual(8, rate, delta=0.8)
        self.assertLess(slowest, 1)

    def test_limit_up_holds_and_small_saves_pass(self):
        self.check(("--limit-up", "8M"), (), lambda t: t.a.metric("filesync_agent_bytes_sent_total"),
                   10)

    def test_limit_down_holds_and_small_saves_pass(self):
        self.check((), ("--limit-down", "8M"),
                   lambda t: t.b.metric("filesync_agent_bytes_received_total"), 10)

    def test_a_timetable_changes_the_rate_of_a_running_agent(self):
        """One minute passes at most: the limit ends at the next."""
        server = self.server()
        # The start of a minute, 10 to 70 s ahead: the agents are connected by then.
        soon = time.localtime((time.time() + 10) // 60 * 60 + 60)
        table = time.strftime("00:00 64k, %H:%M off", soon)
        if soon.tm_hour == 0 and soon.tm_min == 0:
            self.skipTest("midnight is where this timetable begins")
        a = self.agent("A", server, flags=("--limit-up", table))
        b = self.agent("B", server)
        content = os.urandom(12 * MIB)
        a.write("large", content)
        wait_until(lambda: a.metric("filesync_agent_bytes_sent_total") > 0, "it is under way", 30)
        self.assertIsNone(b.read("large"))
        self.arrives(b, "large", content, 90)
        self.assertGreaterEqual(time.time(), time.mktime(soon) - 1)

    def test_compression_is_a_choice(self):
        server = self.server()
        text = b"the same words over and over, number %d\n"
        content = b"".join(text % number for number in range(30_000))
        sent = {}
        for name, flags in (("packed", ()), ("plain", ("--compression", "off"))):
            agent = self.agent(name, server, folder=name, flags=flags)
            agent.write("text", content)
            self.assertEqual(0, subprocess.run([harness.SYNCAGENT, "wait", agent.dir], check=False,
                                               timeout=60).returncode)
            sent[name] = agent.metric("filesync_agent_bytes_sent_total")
        self.assertLess(sent["packed"], len(content) / 4)
        self.assertGreaterEqual(sent["plain"], len(content))

    def test_one_transfer_at_once(self):
        _, a, b = self.pair(flags=("--transfers", "1", "--priority", "low"))
        for number in range(4):
            a.write(f"large-{number}", os.urandom(3 * MIB))
            b.write(f"other-{number}", os.urandom(3 * MIB))
        self.converge(a, b)

    def test_the_more_important_folder_goes_first(self):
        server = self.server()
        for name in ("low", "high"):
            os.makedirs(os.path.join(self.base, name))
            with open(os.path.join(self.base, name, "large"), "wb") as file:
                file.write(os.urandom(6 * MIB))
        config = os.path.join(self.base, "config.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"server = '{server.address}'\nlimit_up = '2M'\n")
            for name in ("low", "high"):
                file.write(f"[[folder]]\nname = '{name}'\ndirectory = '{name}'\n"
                           f"priority = '{name}'\n")
        process = harness.Process([harness.SYNCAGENT, "--config", config, "--log-level", "debug"],
                                  os.path.join(self.base, "agent.log"), cwd=self.base)
        self.addCleanup(process.kill)
        wait_until(lambda: "[low] sent large" in process.output(), "both are sent", 60)
        output = process.output()
        self.assertLess(output.index("[high] sent large"), output.index("[low] sent large"))

    def test_wrong_values_are_refused(self):
        for option in ("--limit-up", "--limit-down"):
            for value in ("fast", "-1", "10Q", "25:00 1M", "08:00"):
                result = subprocess.run([harness.SYNCAGENT, "sync", option, value, self.base],
                                        capture_output=True, text=True, check=False, timeout=30)
                self.assertEqual(2, result.returncode, value)
                self.assertIn(option, result.stderr)


if __name__ == "__main__":
    unittest.main()
