"""Bad input: every wrong flag, path, store and request gets a clear error, and nothing is lost."""
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import grpc

import harness
from harness import SYNCAGENT, SYNCD, wait_until


def run(*arguments, env=None):
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, **(env or {})})


class CommandLineTest(harness.SyncTestCase):
    def expect(self, result, code, *words):
        self.assertEqual(code, result.returncode, result.stderr + result.stdout)
        for word in words:
            self.assertIn(word, result.stderr + result.stdout)

    def test_flags(self):
        self.expect(run(SYNCAGENT, "--no-such-flag", "x"), 2, "no-such-flag")
        self.expect(run(SYNCAGENT), 2, "directory")
        self.expect(run(SYNCAGENT, "--server", "nonsense", self.base), 2, "--server")
        self.expect(run(SYNCAGENT, "--server", "h:99999", self.base), 2, "--server")
        self.expect(run(SYNCAGENT, "--log-level", "loud", self.base), 2, "--log-level")
        self.expect(run(SYNCAGENT, "--sync", "no-equals-sign"), 2, "FOLDER=DIR")
        self.expect(run(SYNCAGENT, self.base, env={"SYNCAGENT_SERVER": "bad"}), 2, "SYNCAGENT_SERVER")
        self.expect(run(SYNCD, "--no-such-flag"), 2, "no-such-flag")
        self.expect(run(SYNCD, "--listen", "bad"), 2, "listen")
        self.expect(run(SYNCAGENT, "status", self.base), 2, "not a synced directory")

    def test_directories(self):
        server = self.server()
        missing = os.path.join(self.base, "missing")
        self.expect(run(SYNCAGENT, "--server", server.address, missing), 2, "does not exist")
        file = os.path.join(self.base, "file")
        with open(file, "w", encoding="ascii") as out:
            out.write("x")
        self.expect(run(SYNCAGENT, "--server", server.address, file), 2, "not a directory")
        a = self.agent("A", server)
        wait_until(a.in_sync, "in sync")
        self.expect(run(SYNCAGENT, "--server", server.address, a.dir), 7, "another agent")
        os.mkdir(a.path("inside"))
        self.expect(run(SYNCAGENT, "--server", server.address, a.path("inside")), 2, "inside")

    def test_a_synced_directory_inside_another(self):
        server = self.server()
        inner = self.agent("inner", server, folder="inner",
                           directory=os.path.join(self.base, "outer", "inner"))
        inner.write("secret", "x")
        wait_until(inner.in_sync, "in sync")
        outer = self.agent("outer", server, folder="outer")
        outer.write("beside", "x")
        wait_until(lambda: any(f["path"] == "inner" for f in
                               outer.status().get("failedPaths", [])), "said in status")
        self.assertTrue(outer.process.running())

    def test_server_that_is_not_there(self):
        address = f"127.0.0.1:{harness.free_port()}"
        a = self.agent("A", address)
        wait_until(lambda: a.status().get("state", "").startswith("offline"), "says offline")
        wait_until(lambda: "offline" in a.process.output(), "prints offline")
        self.assertEqual(0, a.stop())
        self.expect(run(SYNCAGENT, "sync", "--server", address, a.dir), 5, "offline")

    def test_sync_once(self):
        server = self.server()
        a = self.agent("A", server, start=False)
        b = self.agent("B", server, start=False)
        a.write("d/x", "content")
        self.expect(run(SYNCAGENT, "sync", "--server", server.address, a.dir), 0, "in sync")
        self.expect(run(SYNCAGENT, "sync", "--server", server.address, b.dir), 0, "in sync")
        self.assertEqual([], harness.differences(a.dir, b.dir))

    def test_data_directories(self):
        server = self.server()
        self.expect(run(SYNCD, "--listen", f"127.0.0.1:{harness.free_port()}", "--http", "off",
                        "--data", server.data), 1, server.data)
        foreign = os.path.join(self.base, "foreign")
        os.mkdir(foreign)
        with open(os.path.join(foreign, "letter.odt"), "w", encoding="ascii") as out:
            out.write("not ours")
        self.expect(run(SYNCD, "--listen", f"127.0.0.1:{harness.free_port()}", "--http", "off",
                        "--data", foreign), 1, foreign)
        self.assertEqual(["letter.odt"], os.listdir(foreign))
        self.expect(run(SYNCD, "--listen", server.address, "--http", "off", "--data",
                        os.path.join(self.base, "other")), 1, str(server.port))

    def test_damaged_state_file(self):
        _, a, b = self.pair()
        for i in range(20):
            a.write(f"f{i}", str(i))
        self.arrives(b, "f19", "19")
        self.converge(a, b)
        rng = harness.seed()
        for kind in ("truncated", "emptied", "overwritten"):
            with self.subTest(kind):
                b.stop()
                path = b.path(".syncagent/state.db")
                size = os.path.getsize(path)
                with open(path, "r+b") as file:
                    if kind == "truncated":
                        file.truncate(size // 2)
                    elif kind == "emptied":
                        file.truncate(0)
                    else:
                        file.seek(0)
                        file.write(rng.randbytes(4096))
                b.start()
                self.converge(a, b)
        self.assertEqual(20, len(harness.snapshot(a.dir)))


class EvilClientTest(harness.SyncTestCase):
    """Speaks the protocol with Debian's Python gRPC, and breaks its rules."""

    @classmethod
    def setUpClass(cls):
        cls.generated = tempfile.mkdtemp(prefix="filesync-proto-")
        protos = os.path.join(harness.ROOT, "protos")
        subprocess.run(["protoc", f"--proto_path={protos}", f"--python_out={cls.generated}",
                        *(os.path.join(protos, "filesync", "v1", name + ".proto")
                          for name in ("types", "sync", "chunk", "admin"))], check=True)
        sys.path.insert(0, cls.generated)
        cls.types = importlib.import_module("filesync.v1.types_pb2")
        cls.sync = importlib.import_module("filesync.v1.sync_pb2")
        cls.chunk = importlib.import_module("filesync.v1.chunk_pb2")

    @classmethod
    def tearDownClass(cls):
        sys.path.remove(cls.generated)
        shutil.rmtree(cls.generated)

    def setUp(self):
        super().setUp()
        self.srv = self.server()
        self.channel = grpc.insecure_channel(
            self.srv.address, options=[("grpc.max_send_message_length", 64 << 20)])
        self.addCleanup(self.channel.close)
        self.stream = self.channel.stream_stream(
            "/filesync.v1.SyncService/Sync",
            request_serializer=self.sync.SyncRequest.SerializeToString,
            response_deserializer=self.sync.SyncResponse.FromString)

    def hello(self):
        return self.sync.SyncRequest(hello=self.sync.Hello(
            protocol=1, agent_id=b"e" * 16, agent_name="evil", folder="default",
            create_folder=True))

    def talk(self, *requests):
        """Sends hello and the requests; the answers after Welcome, or the status code."""
        answers = []
        try:
            for response in self.stream(iter([self.hello(), *requests]), timeout=20):
                if response.WhichOneof("message") == "commit_result":
                    answers.append(response.commit_result)
                    if len(answers) == len(requests):
                        break
        except grpc.RpcError as error:
            return error.code()
        return answers

    def entry(self, path, **fields):
        return self.types.Entry(path=path, type=self.types.ENTRY_TYPE_DIRECTORY, mode=0o755,
                                **fields)

    def commit(self, *entries, batch=1):
        return self.sync.SyncRequest(commit=self.sync.Commit(
            batch=batch, changes=[self.sync.Change(entry=entry) for entry in entries]))

    def still_serves(self):
        a = self.agent("A", self.srv)
        b = self.agent("B", self.srv)
        a.write("after", "the attack")
        self.arrives(b, "after", "the attack")
        self.converge(a, b)
        return a, b

    def test_malformed_paths(self):
        for path in (b"../escape", b"a/../b", b"/absolute", b"a//b", b"nul\0byte", b".syncagent",
                     b"d/.SyncAgent/x", b"", b".", b"x" * 256, b"a/" * 200 + b"x"):
            with self.subTest(path=path):
                answer = self.talk(self.commit(self.entry(path)))
                refused = answer == grpc.StatusCode.INVALID_ARGUMENT or \
                    answer[0].outcomes[0].HasField("rejected")
                self.assertTrue(refused, answer)
        self.still_serves()
        self.assertFalse(os.path.exists(os.path.join(self.base, "escape")))

    def test_oversized_and_garbage(self):
        answer = self.talk(self.commit(*(self.entry(b"p%d" % i) for i in range(1001))))
        self.assertEqual(grpc.StatusCode.INVALID_ARGUMENT, answer)
        answer = self.talk(self.commit(self.entry(b"x", symlink_target=b"y" * (5 << 20))))
        self.assertIn(answer, (grpc.StatusCode.RESOURCE_EXHAUSTED,
                               grpc.StatusCode.INVALID_ARGUMENT))
        raw = self.channel.unary_unary("/filesync.v1.ChunkService/FindMissingChunks")
        with self.assertRaises(grpc.RpcError):
            raw(os.urandom(1000), timeout=20)
        find = self.channel.unary_unary(
            "/filesync.v1.ChunkService/FindMissingChunks",
            request_serializer=self.chunk.FindMissingChunksRequest.SerializeToString)
        for request in (self.chunk.FindMissingChunksRequest(folder_id=999, ids=[b"i" * 32]),
                        self.chunk.FindMissingChunksRequest(folder_id=1, ids=[b"short"]),
                        self.chunk.FindMissingChunksRequest(folder_id=1, ids=[b"i" * 32] * 10001)):
            with self.assertRaises(grpc.RpcError) as raised:
                find(request, timeout=20)
            self.assertIn(raised.exception.code(), (grpc.StatusCode.NOT_FOUND,
                                                    grpc.StatusCode.INVALID_ARGUMENT))
        self.still_serves()

    def test_commit_of_chunks_never_uploaded(self):
        content = self.types.Content(size=5, average_size=65536, hash=b"h" * 32,
                                     refs=[self.types.ChunkRef(id=b"c" * 32, size=5)])
        entry = self.types.Entry(path=b"ghost", type=self.types.ENTRY_TYPE_FILE, mode=0o644,
                                 content=content)
        answer = self.talk(self.commit(entry))
        self.assertEqual([b"c" * 32], list(answer[0].outcomes[0].missing_chunks.ids))
        a, _ = self.still_serves()
        self.assertIsNone(a.read("ghost"))

    def test_frames_that_lie(self):
        self.talk(self.commit(self.entry(b"d")))
        upload = self.channel.stream_stream(
            "/filesync.v1.ChunkService/UploadChunks",
            request_serializer=self.chunk.UploadChunksRequest.SerializeToString,
            response_deserializer=self.chunk.UploadChunksResponse.FromString)
        lies = (b"\x00\x00\x00\x00\x05hell",             # shorter than declared
                b"\x00\x7f\xff\xff\xff" + b"x",          # declares 2 GiB
                b"\x01\x00\x10\x00\x00" + b"not zstd",   # does not decompress
                b"\x07\x00\x00\x00\x01x",                # unknown codec
                b"\x00\x00\x00\x00\x05hello",            # hashes to another id
                b"")
        for frame in lies:
            with self.subTest(frame=frame):
                packed = self.types.PackedChunk(id=b"i" * 32, kind=self.types.CHUNK_KIND_DATA,
                                                frame=frame)
                request = self.chunk.UploadChunksRequest(folder_id=1, sequence=1, chunks=[packed],
                                                         agent_id=b"e" * 16)
                with self.assertRaises(grpc.RpcError) as raised:
                    list(upload(iter([request]), timeout=20))
                self.assertIn(raised.exception.code(), (grpc.StatusCode.DATA_LOSS,
                                                        grpc.StatusCode.INVALID_ARGUMENT))
        self.assertLess(self.srv.process.peak_memory(), 300 << 20)
        self.still_serves()

    def test_nothing_is_written_through_a_symlink(self):
        a, b = self.still_serves()
        outside = os.path.join(self.base, "outside")
        os.mkdir(outside)
        os.makedirs(a.path("dir"))
        a.write("dir/first", "x")
        self.arrives(b, "dir/first", "x")
        self.converge(a, b)
        b.stop()
        shutil.rmtree(b.path("dir"))
        os.symlink(outside, b.path("dir"))
        a.write("dir/second", "must not leave the root")
        wait_until(a.in_sync, "A in sync")
        b.start()
        self.converge(a, b)
        self.assertEqual([], os.listdir(outside))
        self.assertEqual(b"must not leave the root", a.read("dir/second"))
        self.assertEqual(b"must not leave the root", b.read("dir/second"))

    def test_a_name_that_the_file_system_can_not_take(self):
        """255 bytes are legal on the wire; a file system may take less. Simulated by a path so
        deep that the host's own limit is met."""
        parts = [b"p" * 250] * 16
        path = b"/".join(parts)
        entries = [self.entry(b"/".join(parts[:i + 1])) for i in range(len(parts))]
        answer = self.talk(self.commit(*entries))
        self.assertTrue(all(o.HasField("accepted") for o in answer[0].outcomes), answer)
        self.assertLessEqual(len(path), 4096)
        b = self.agent("B", self.srv)
        wait_until(lambda: b.status().get("state", "")[:8] in ("in sync", "incomple"), "settles")
        self.assertTrue(b.process.running())
        b.write("small", "others go on")
        wait_until(lambda: b.status().get("pendingLocal", "0") == "0" or
                   b.status().get("failedCount"), "settles")


if __name__ == "__main__":
    unittest.main()
