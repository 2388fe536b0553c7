"""What can't be proven is never taken for a deletion; a server that went back loses nothing."""
import os
import shutil
import subprocess
import threading
import unittest

import fault_proxy
import harness
from harness import wait_until

NOBODY = 65534


class UnknownTest(harness.SyncTestCase):
    def filled_pair(self, **agent_options):
        server = self.server()
        a = self.agent("A", server, start=False, **agent_options)
        for i in range(60):
            a.write(f"d{i % 3}/f{i}", "content %d" % i)
        if agent_options:
            for directory, _, files in os.walk(a.dir):
                for name in [directory, *(os.path.join(directory, f) for f in files)]:
                    os.chown(name, NOBODY, NOBODY)
        a.start()
        b = self.agent("B", server)
        self.arrives(b, "d2/f59", "content 59")
        self.converge(a, b)
        return server, a, b, harness.snapshot(b.dir).keys()

    def assert_nothing_lost(self, b, before):
        self.assertEqual(set(before), set(harness.snapshot(b.dir).keys()))

    def wait_halted(self, agent):
        wait_until(lambda: agent.status().get("state", "").startswith("halted") or
                   "halted" in agent.process.output(), "the agent halts")

    def test_root_moved_away(self):
        _, a, b, before = self.filled_pair()
        os.rename(a.dir, a.dir + ".elsewhere")
        self.addCleanup(shutil.rmtree, a.dir + ".elsewhere", ignore_errors=True)
        wait_until(lambda: "halted" in a.process.output(), "the agent halts")
        shutil.rmtree(a.dir + ".elsewhere/d0")
        b.write("proof", "the others go on")
        wait_until(b.in_sync, "B goes on")
        self.assert_nothing_lost(b, set(before) | {b"proof"})

    def test_root_replaced_by_an_empty_one(self):
        _, a, b, before = self.filled_pair()
        os.rename(a.dir, a.dir + ".elsewhere")
        self.addCleanup(shutil.rmtree, a.dir + ".elsewhere", ignore_errors=True)
        os.mkdir(a.dir)
        wait_until(lambda: "halted" in a.process.output(), "the agent halts")
        self.assert_nothing_lost(b, before)

    def test_root_emptied(self):
        _, a, b, before = self.filled_pair()
        for name in os.listdir(a.dir):
            if name != ".syncagent":
                shutil.rmtree(a.path(name))
        self.wait_halted(a)
        self.assertIn("emptied", a.status()["state"])
        self.assert_nothing_lost(b, before)

    def empty(self, agent, but=()):
        for name in os.listdir(agent.dir):
            if name != ".syncagent" and name not in but:
                path = agent.path(name)
                if os.path.isdir(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)

    def few(self, **options):
        """Fewer files than the brake would look at."""
        server = self.server()
        a, b = self.agent("A", server, **options), self.agent("B", server)
        for number in range(10):
            a.write(f"f{number}", str(number))
        self.arrives(b, "f9", "9")
        self.converge(a, b)
        return server, a, b, [os.fsencode(f"f{number}") for number in range(10)]

    def test_root_emptied_and_something_arrives(self):
        """What arrives since does not make the root less empty."""
        server, a, b, before = self.few()
        a.stop()
        for name in ("new", "dir/new"):
            b.write(name, "made meanwhile")
        wait_until(b.in_sync, "B has told it")
        self.empty(a)
        with self.subTest("a run that ends by itself"):
            for _ in range(2):
                result = subprocess.run(
                    [harness.SYNCAGENT, "sync", "--server", server.address, "--name", "A", a.dir],
                    capture_output=True, text=True, check=False, timeout=120)
                self.assertEqual(7, result.returncode, result.stdout + result.stderr)
                self.assertIn("emptied", result.stdout + result.stderr)
            self.assert_nothing_lost(b, before + [b"new", b"dir", b"dir/new"])
        with self.subTest("an agent that is started"):
            a.start()
            self.wait_halted(a)
            b.write("later", "x")
            wait_until(b.in_sync, "B goes on")
            self.assert_nothing_lost(b, before + [b"new", b"dir", b"dir/new", b"later"])
        with self.subTest("the files are put back"):
            for number in range(10):
                a.write(f"f{number}", str(number))
            self.converge(a, b)
            self.assert_nothing_lost(b, before + [b"new", b"dir", b"dir/new", b"later"])

    def test_root_emptied_while_something_arrives(self):
        """The same with an agent that runs."""
        _, a, b, before = self.few()
        stop = threading.Event()

        def save():
            number = 0
            while not stop.wait(0.005):
                b.write(f"new{number}", "x")
                number += 1
        writer = threading.Thread(target=save)
        writer.start()
        try:
            wait_until(lambda: os.path.exists(a.path("new3")), "they arrive", 30)
            self.empty(a)
            self.wait_halted(a)
        finally:
            stop.set()
            writer.join()
        self.assertLessEqual(set(before), set(harness.snapshot(b.dir).keys()))

    def test_root_emptied_but_for_what_is_ignored(self):
        _, a, b, before = self.few(flags=("--ignore", "*.o"))
        a.write("build.o", "not synced")
        self.empty(a, but=("build.o",))
        self.wait_halted(a)
        self.assert_nothing_lost(b, before)

    def test_an_only_directory_is_emptied_and_something_arrives_in_it(self):
        server = self.server()
        a, b = self.agent("A", server), self.agent("B", server)
        before = {b"d"}
        for number in range(10):
            a.write(f"d/f{number}", str(number))
            before.add(os.fsencode(f"d/f{number}"))
        self.converge(a, b)
        a.stop()
        for number in range(30):
            b.write(f"d/new/{number}", "made meanwhile")
            before.add(os.fsencode(f"d/new/{number}"))
        wait_until(b.in_sync, "B has told it")
        self.empty(a)
        result = subprocess.run(
            [harness.SYNCAGENT, "sync", "--server", server.address, "--name", "A", a.dir],
            capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(7, result.returncode, result.stdout + result.stderr)
        self.assert_nothing_lost(b, before | {b"d/new"})

    def test_work_in_a_directory_that_just_arrived(self):
        """Files come and go in the only directory there is, moments after it came."""
        _, a, b = self.pair()
        for number in range(5):
            a.write(f"project/f{number}", str(number))
        self.arrives(b, "project/f4", "4")
        for number in range(8):
            b.write(f"project/mine{number}", "x")
        self.arrives(a, "project/mine7", "x")
        for number in range(4):
            os.unlink(b.path(f"project/mine{number}"))
        self.converge(a, b)
        self.assertIsNone(a.read("project/mine0"))

    def test_what_arrived_and_is_deleted_at_once(self):
        """Nothing stood there before, so nothing was emptied."""
        _, a, b = self.pair()
        for name in ("dir/one", "dir/two", "three", "four"):
            a.write(name, name)
        self.arrives(b, "four", "four")
        self.arrives(b, "dir/two", "dir/two")
        for name in ("dir/one", "three", "four"):
            os.unlink(b.path(name))
        self.converge(a, b)
        self.assertEqual({b"dir", b"dir/two"}, set(harness.snapshot(a.dir).keys()))

    def test_a_root_whose_names_all_change_is_not_emptied(self):
        _, a, b, _ = self.few()
        for number in range(10):
            os.rename(a.path(f"f{number}"), a.path(f"g{number}"))
        self.converge(a, b)
        self.empty(a)
        self.wait_halted(a)

    def test_root_emptied_with_its_state(self):
        _, a, b, before = self.filled_pair()
        subprocess.run(["rm", "-rf", *(a.path(name) for name in os.listdir(a.dir))], check=True)
        wait_until(lambda: "halted" in a.process.output(), "the agent halts")
        self.assert_nothing_lost(b, before)

    def test_root_emptied_while_the_agent_was_down(self):
        _, a, b, before = self.filled_pair()
        a.stop()
        for name in os.listdir(a.dir):
            if name != ".syncagent":
                shutil.rmtree(a.path(name))
        a.start()
        self.wait_halted(a)
        self.assert_nothing_lost(b, before)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to be another user")
    def test_unreadable_directory(self):
        os.chmod(self.base, 0o755)
        os.makedirs(os.path.join(self.base, "A"))
        os.chown(os.path.join(self.base, "A"), NOBODY, NOBODY)
        _, a, b, before = self.filled_pair(user=NOBODY, group=NOBODY, extra_groups=[])
        os.chmod(a.path("d1"), 0)
        a.write("new", "noticed")
        self.arrives(b, "new", "noticed")
        with self.subTest("while it runs"):
            b.write("d0/from-b", "x")
            self.arrives(a, "d0/from-b", "x")
        a.stop()
        a.start()
        wait_until(lambda: any(f["path"] == "d1" for f in a.status().get("failedPaths", [])),
                   "status says that d1 is unknown")
        self.assert_nothing_lost(b, set(before) | {b"new", b"d0/from-b"})
        os.chmod(a.path("d1"), 0o755)
        wait_until(a.in_sync, "in sync when it can be read again", 60)
        self.converge(a, b)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to mount")
    def test_nested_mount_goes_away(self):
        server = self.server()
        a = self.agent("A", server, start=False)
        os.mkdir(a.path("mnt"))
        mounted = subprocess.run(["mount", "-t", "tmpfs", "none", a.path("mnt")], check=False)
        self.assertEqual(0, mounted.returncode)
        self.addCleanup(subprocess.run, ["umount", a.path("mnt")], check=False,
                        stderr=subprocess.DEVNULL)
        for i in range(10):
            a.write(f"mnt/f{i}", str(i))
        a.write("else", "x")
        a.start()
        b = self.agent("B", server)
        self.arrives(b, "mnt/f9", "9")
        self.converge(a, b)
        before = harness.snapshot(b.dir).keys()
        with self.subTest("while it runs"):
            subprocess.run(["umount", a.path("mnt")], check=True)
            a.write("after", "x")
            self.arrives(b, "after", "x")
            wait_until(lambda: any("mnt" in f["path"] for f in a.status().get("failedPaths", [])),
                       "status says that mnt is unknown")
            self.assert_nothing_lost(b, set(before) | {b"after"})
        with self.subTest("after a restart"):
            a.stop()
            a.start()
            wait_until(lambda: any("mnt" in f["path"] for f in a.status().get("failedPaths", [])),
                       "status says that mnt is unknown")
            self.assert_nothing_lost(b, set(before) | {b"after"})

    @unittest.skipUnless(shutil.which("strace"), "needs strace")
    def test_injected_errors(self):
        server, a, b, before = self.filled_pair()
        a.stop()
        rng = harness.seed()
        for call in ("getdents64", "newfstatat", "fstat"):
            for error in ("EIO", "EACCES"):
                when = rng.randrange(1, 120)
                with self.subTest(call=call, error=error, when=when):
                    a.start(prefix=["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}",
                                    "-e", f"inject={call}:error={error}:when={when}+7"])
                    wait_until(lambda: not a.process.running() or a.status(), "it came up or ended")
                    proof = f"proof-{call}-{error}"
                    b.write(proof, "x")
                    wait_until(b.in_sync, "B goes on")
                    before = set(before) | {os.fsencode(proof)}
                    self.assert_nothing_lost(b, before)
                    a.process.kill_children()
        a.start()
        self.converge(a, b)
        self.assert_nothing_lost(b, before)


class HistoryTest(harness.SyncTestCase):
    def test_server_put_back_to_an_old_copy(self):
        server, a, b = self.pair()
        for i in range(30):
            a.write(f"old{i}", str(i))
        self.arrives(b, "old29", "29")
        self.converge(a, b)
        self.assertEqual(0, server.process.stop())
        shutil.copytree(server.data, server.data + ".copy")
        server.start()
        for i in range(30):
            a.write(f"lost{i}", "after the copy %d" % i)
            b.write(f"old{i}", "changed after the copy %d" % i)
        self.arrives(b, "lost29", "after the copy 29")
        self.converge(a, b)
        heads = [agent.status()["headVersion"] for agent in (a, b)]
        # A goes away; the server is put back; B commits on; A comes back.
        a.stop()
        b.stop()
        server.process.kill()
        shutil.rmtree(server.data)
        os.rename(server.data + ".copy", server.data)
        server.start()
        b.write("from-b", "committed in between")
        b.start()
        wait_until(b.in_sync, "B in sync with the old server")
        self.assertGreater(int(b.status()["headVersion"]), max(map(int, heads)),
                           "no version is given out twice")
        a.start()
        self.converge(a, b)
        for i in range(30):
            self.assertEqual(b"after the copy %d" % i, a.read(f"lost{i}"))
            # What both had agreed on is newer than what the server was put back to.
            self.assertEqual(b"changed after the copy %d" % i, a.read(f"old{i}"))
        self.assertEqual([], [name for name in os.listdir(a.dir) if ".conflict-" in name])
        self.assertEqual(b"committed in between", a.read("from-b"))
        self.assertIn("lost", server.process.output())

    def test_lost_acknowledgement_makes_no_conflict(self):
        server = self.server()
        proxy = fault_proxy.FaultProxy(server.port)
        self.addCleanup(proxy.close)
        a = self.agent("A", f"127.0.0.1:{proxy.port}")
        b = self.agent("B", server)
        a.write("doc", "base")
        self.arrives(b, "doc", "base")
        self.converge(a, b)
        # A's commit reaches the server, its answer never reaches A.
        proxy.block_answers()
        a.write("doc", "edited on A")
        self.arrives(b, "doc", "edited on A")
        wait_until(b.in_sync, "B has it")
        proxy.cut()
        proxy.refuse(True)
        b.write("doc", "edited on B, on top of A's")
        wait_until(b.in_sync, "B committed")
        with self.subTest("the same process"):
            proxy.restore()
            self.converge(a, b)
            self.assertEqual(b"edited on B, on top of A's", a.read("doc"))
            self.assertEqual(["doc"], [n for n in os.listdir(a.dir) if n != ".syncagent"])
        proxy.block_answers()
        a.write("doc", "A again")
        self.arrives(b, "doc", "A again")
        a.kill()
        proxy.restore()
        b.write("doc", "B again")
        wait_until(b.in_sync, "B committed")
        with self.subTest("a new process"):
            a.start()
            self.converge(a, b)
            self.assertEqual(b"B again", a.read("doc"))
            self.assertEqual(["doc"], [n for n in os.listdir(a.dir) if n != ".syncagent"])


if __name__ == "__main__":
    unittest.main()
