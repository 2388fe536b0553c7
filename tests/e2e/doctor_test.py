"""What stands in the way, and what a file was before: `doctor` and `versions`."""
import json
import os
import pwd
import shutil
import subprocess
import time
import unittest
from concurrent import futures

import grpc

import harness
from harness import wait_until


def run(*arguments, prefix=(), **options):
    return subprocess.run([*prefix, harness.SYNCAGENT, *arguments], capture_output=True, text=True,
                          check=False, timeout=60, **options)


class DoctorTest(harness.SyncTestCase):
    def findings(self, *arguments, code, **options):
        """{subject: [(severity, text), ...]}"""
        result = run("doctor", "--json", *arguments, **options)
        self.assertEqual(code, result.returncode, result.stdout + result.stderr)
        found = {}
        for finding in json.loads(result.stdout)["findings"]:
            found.setdefault(finding["subject"], []).append(
                (finding["severity"].removeprefix("SEVERITY_"), finding["text"]))
        return found

    def severities(self, found, subject):
        return {severity for severity, _ in found[subject]}

    def test_all_is_well(self):
        server = self.server()
        a = self.agent("A", server)
        a.write("x", "x")
        wait_until(a.in_sync, "in sync")
        found = self.findings("--server", server.address, a.dir, code=0)
        self.assertEqual({"OK"}, self.severities(found, "server"))
        self.assertEqual({"OK"}, self.severities(found, "clock"))
        self.assertIn(("OK", "folder default: in sync"), found[a.dir])
        text = run("doctor", "--server", server.address, a.dir)
        self.assertEqual(0, text.returncode)
        self.assertRegex(text.stdout, r"(?m)^ok +server: 127\.0\.0\.1:\d+ answers in ")

    def test_no_server(self):
        found = self.findings("--server", f"127.0.0.1:{harness.free_port()}", self.base, code=1)
        self.assertEqual({"ERROR"}, self.severities(found, "server"))
        self.assertIn("is syncd running there", found["server"][0][1])

    def test_no_directory(self):
        server = self.server()
        missing = os.path.join(self.base, "missing")
        found = self.findings("--server", server.address, missing, code=1)
        self.assertEqual({"ERROR"}, self.severities(found, missing))

    def test_a_directory_of_somebody_else(self):
        server = self.server()
        directory = os.path.join(self.base, "theirs")
        os.mkdir(directory, 0o755)
        # Not by subprocess: it would fork, which gRPC's threads here do not take well.
        prefix = ()
        if os.geteuid() == 0:
            os.chmod(self.base, 0o755)
            nobody = pwd.getpwnam("nobody")
            prefix = ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}",
                      "--clear-groups")
        else:
            os.chmod(directory, 0o555)
        found = self.findings("--server", server.address, directory, code=1, cwd="/",
                              prefix=prefix)
        self.assertIn("ERROR", self.severities(found, directory))

    def test_a_clock_that_is_wrong(self):
        """Against a server that says it is an hour later."""
        def info(_request, _context):
            seconds = int(time.time()) + 3600
            varint = b""
            while True:
                varint += bytes([seconds & 0x7f | (0x80 if seconds > 0x7f else 0)])
                seconds >>= 7
                if not seconds:
                    break
            stamp = b"\x08" + varint
            return b"\x0a\x03old" + b"\x3a" + bytes([len(stamp)]) + stamp
        server = grpc.server(futures.ThreadPoolExecutor(1))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            "filesync.v1.AdminService",
            {"GetServerInfo": grpc.unary_unary_rpc_method_handler(info)}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(server.stop, None)
        found = self.findings("--server", f"127.0.0.1:{port}", self.base, code=0)
        self.assertEqual("WARNING", found["clock"][0][0])
        self.assertRegex(found["clock"][0][1], "differs from the server's by (59m5|1h)")

    @unittest.skipIf(os.geteuid() != 0, "only root may mount")
    def test_a_disk_that_is_nearly_full(self):
        server = self.server()
        directory = os.path.join(self.base, "small")
        os.mkdir(directory)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", directory], check=True)
        self.addCleanup(subprocess.run, ["umount", directory], check=False)
        with open(os.path.join(directory, "fill"), "wb") as file:
            file.write(bytes(1000 << 10))
        found = self.findings("--server", server.address, directory, code=0)
        self.assertIn("WARNING", self.severities(found, directory))
        self.assertTrue(any("free" in text for _, text in found[directory]))


class VersionsTest(harness.SyncTestCase):
    def test_what_a_file_was(self):
        server, a, b = self.pair()
        a.write("stays", "")  # an emptied root is no deletion
        a.write("d/plan.txt", "one")
        self.arrives(b, "d/plan.txt", "one")
        b.write("d/plan.txt", "three!")
        self.arrives(a, "d/plan.txt", "three!")
        os.rename(a.path("d/plan.txt"), a.path("d/done.txt"))
        self.arrives(b, "d/done.txt", "three!")
        self.converge(a, b)
        result = run("versions", b.path("d/plan.txt"))
        self.assertEqual(0, result.returncode, result.stderr)
        lines = result.stdout.splitlines()
        self.assertEqual(3, len(lines), result.stdout)
        self.assertIn("moved to d/done.txt", lines[0])
        self.assertIn("by A", lines[0])
        self.assertRegex(lines[1], r"6 B.*by B")
        self.assertRegex(lines[2], r"3 B.*by A")
        answer = json.loads(run("versions", "--json", a.path("d/plan.txt")).stdout)
        self.assertEqual("tombstone", answer["entry"]["type"])
        self.assertEqual(["6", "3"], [past["entry"]["size"] for past in answer["history"]])
        self.assertIn("(now)", run("versions", a.path("d/done.txt")).stdout)
        shutil.rmtree(a.path("d"))
        self.converge(a, b)
        self.assertIn("deleted", run("versions", a.path("d/done.txt")).stdout.splitlines()[0])
        server.process.stop()
        self.assertEqual(5, run("versions", a.path("d/done.txt")).returncode)

    def test_what_was_never_there(self):
        _, a, _ = self.pair()
        a.write("x", "x")
        wait_until(a.in_sync, "in sync")
        result = run("versions", a.path("never"))
        self.assertEqual(2, result.returncode)
        self.assertIn("never", result.stderr)
        self.assertEqual(2, run("versions", self.base).returncode)


if __name__ == "__main__":
    unittest.main()
