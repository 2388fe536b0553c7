"""Content of large new files travels on while it is still being sent: others have it when it is
committed, and whatever happens in between, only what was committed is ever seen."""
import os
import shutil
import signal
import subprocess
import unittest

import harness
from harness import wait_until

MIB = 1 << 20
SLOW = ("--limit-up", "8M")


def received(agent):
    return agent.metric("filesync_agent_bytes_received_total")


class EarlyContentTest(harness.SyncTestCase):
    def start(self, *flags_of_others):
        self.server_ = self.server()
        self.a = self.agent("A", self.server_, flags=SLOW)
        self.others = [self.agent(f"B{number}", self.server_, flags=flags)
                       for number, flags in enumerate(flags_of_others)]
        self.a.write("first", "x")
        wait_until(lambda: all(agent.in_sync() for agent in (self.a, *self.others)) and
                   self.head() > 0, "all are connected")

    def head(self):
        return self.server_.metric("filesync_folder_head_version")

    def put(self, name, write):
        """The file appears at A as a finished download does."""
        staged = os.path.join(self.base, "staged")
        with open(staged, "wb") as file:
            write(file)
        os.rename(staged, self.a.path(name))
        return os.path.getsize(self.a.path(name))

    def put_noise(self, name, mib):
        return self.put(name, lambda file: [file.write(os.urandom(MIB)) for _ in range(mib)])

    def command(self, name, agent):
        subprocess.run([harness.SYNCAGENT, name, agent.dir], check=True, capture_output=True)

    def under_way(self, agent, mib=6):
        wait_until(lambda: received(agent) > mib * MIB, f"content reaches {agent.name}", 60)

    def test_it_arrives_before_it_is_committed(self):
        self.start(())
        (b,) = self.others
        before = self.head()
        size = self.put_noise("large", 48)
        self.under_way(b, 24)
        self.assertEqual(before, self.head())
        self.assertFalse(os.path.lexists(b.path("large")))
        self.converge(self.a, b)
        self.assertTrue(harness.same_bytes(self.a.path("large"), b.path("large")))
        # Once, and not again for what is committed.
        self.assertLess(received(b), size * 1.05)
        self.no_leftovers(self.a, b)

    def test_it_is_not_fetched_where_it_is_not_wanted(self):
        self.start(("--mode", "source-to-destination"), ("--ignore", "*.iso"), ())
        sends_only, ignores, wants = self.others
        before = self.head()
        self.put_noise("large.iso", 32)
        self.under_way(wants, 16)
        self.assertEqual(before, self.head())
        self.converge(self.a, wants)
        self.assertLess(max(received(sends_only), received(ignores)), MIB)

    def test_small_files_wait_for_their_commit(self):
        self.start(())
        (b,) = self.others
        self.put_noise("small", 12)
        wait_until(lambda: self.a.metric("filesync_agent_bytes_sent_total") > 6 * MIB, "it is sent")
        self.assertLess(received(b), MIB)
        self.converge(self.a, b)

    def test_what_changes_meanwhile_is_not_mixed(self):
        self.start(())
        (b,) = self.others
        self.put_noise("large", 40)
        self.under_way(b)
        self.put_noise("large", 24)
        self.converge(self.a, b)
        self.assertTrue(harness.same_bytes(self.a.path("large"), b.path("large")))
        self.no_leftovers(self.a, b)

    def test_what_vanishes_meanwhile_leaves_nothing(self):
        self.start(())
        (b,) = self.others
        self.put_noise("large", 40)
        self.under_way(b)
        os.unlink(self.a.path("large"))
        # Its agent may never tell; the end of the stream does.
        self.converge(self.a, b)
        self.server_.process.stop()
        wait_until(lambda: "offline" in b.status()["state"], "B is offline")
        wait_until(lambda: not os.listdir(os.path.join(b.dir, ".syncagent", "tmp")),
                   "what was begun is gone")
        self.server_.start()
        self.converge(self.a, b)
        self.assertFalse(os.path.lexists(b.path("large")))

    def test_a_pause_and_a_stop_end_it(self):
        self.start(())
        (b,) = self.others
        temporary = os.path.join(b.dir, ".syncagent", "tmp")
        for end, go_on in ((lambda: self.command("pause", b), lambda: self.command("resume", b)),
                           (lambda: self.assertEqual(0, b.stop()), b.start)):
            before = received(b)
            self.put_noise(f"large-{before}", 40)
            wait_until(lambda at=before: received(b) > at + 6 * MIB, "content reaches B", 60)
            end()
            wait_until(lambda: not os.listdir(temporary), "what was begun is gone")
            go_on()
            self.converge(self.a, b)

    def test_both_sides_make_the_same_file(self):
        self.start(())
        (b,) = self.others
        name = b"odd \n \xff " + b"n" * 240
        self.put_noise(os.fsdecode(name), 40)
        self.under_way(b)
        with open(os.path.join(os.fsencode(b.dir), name), "wb") as file:
            file.write(b"made here")
        self.converge(self.a, b)
        sizes = sorted(os.path.getsize(os.path.join(b.dir, found)) for found in os.listdir(b.dir)
                       if found.startswith("odd"))
        self.assertEqual([len(b"made here"), 40 * MIB], sizes)
        self.no_leftovers(self.a, b)

    def test_copies_are_not_fetched(self):
        self.start(())
        (b,) = self.others
        size = self.put_noise("large", 24)
        self.converge(self.a, b)
        shutil.copyfile(self.a.path("large"), self.a.path("copy"))
        self.converge(self.a, b)
        self.assertLess(received(b), size * 1.05)

    def test_holes_stay_holes(self):
        self.start(())
        (b,) = self.others

        def write(file):
            for begin in (0, 300, 600):
                file.seek(begin * MIB)
                file.write(os.urandom(20 * MIB))
        size = self.put("sparse", write)
        self.converge(self.a, b)
        self.assertTrue(harness.same_bytes(self.a.path("sparse"), b.path("sparse")))
        self.assertLess(os.stat(b.path("sparse")).st_blocks * 512, size / 4)
        self.assertLess(received(b), 64 * MIB)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to mount a small disk")
    def test_what_is_committed_has_the_room(self):
        disk = os.path.join(self.base, "small")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "none", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=False)
        self.start()
        b = self.agent("B", self.server_, directory=os.path.join(disk, "B"))
        quick = self.agent("C", self.server_)
        wait_until(lambda: b.in_sync() and quick.in_sync(), "all are connected")
        self.put_noise("slow", 32)
        self.under_way(b, 20)
        # Not committed before the other one, however slow this machine is.
        self.a.process.signal(signal.SIGSTOP)
        self.addCleanup(self.a.process.signal, signal.SIGCONT)
        # With what is here of the first one there is no room for it.
        content = os.urandom(64 * MIB)
        quick.write("quick", content)
        self.arrives(b, "quick", content, 60)
        self.a.process.signal(signal.SIGCONT)
        wait_until(lambda: any("room" in problem["reason"] or "space" in problem["reason"]
                               for problem in b.status().get("failedPaths", [])),
                   "B says what it has no room for", 60)
        self.assertTrue(b.process.running())
        self.no_leftovers(b)

    def test_kill_9_of_anyone_meanwhile(self):
        self.start(())
        (b,) = self.others
        for victim in (self.a, b, self.server_):
            self.put_noise(f"large-{getattr(victim, 'name', 'server')}", 40)
            before = received(b)
            wait_until(lambda at=before: received(b) > at + 6 * MIB, "content reaches B", 60)
            if victim is self.server_:
                victim.process.kill()
            else:
                victim.kill()
            victim.start()
            self.converge(self.a, b)
        for name in os.listdir(self.a.dir):
            if name.startswith("large"):
                self.assertTrue(harness.same_bytes(self.a.path(name), b.path(name)), name)
        self.no_leftovers(self.a, b)


if __name__ == "__main__":
    unittest.main()
