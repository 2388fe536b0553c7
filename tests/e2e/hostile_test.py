"""A client that speaks the protocol and means no good: what it makes the server hold and do is bounded,
and honest agents go on."""
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import grpc

import harness
from harness import wait_until

MIB = 1 << 20
MOST_RESIDENT = 400 * MIB


class HostileTest(harness.SyncTestCase):
    @classmethod
    def setUpClass(cls):
        cls.generated = tempfile.mkdtemp(prefix="filesync-proto-")
        protos = os.path.join(harness.ROOT, "protos")
        subprocess.run(["protoc", f"--proto_path={protos}", f"--python_out={cls.generated}",
                        *(os.path.join(protos, "filesync", "v1", name + ".proto")
                          for name in ("types", "sync", "chunk"))], check=True)
        sys.path.insert(0, cls.generated)
        cls.types, cls.sync, cls.chunk = (importlib.import_module(f"filesync.v1.{name}_pb2")
                                          for name in ("types", "sync", "chunk"))

    @classmethod
    def tearDownClass(cls):
        sys.path.remove(cls.generated)
        shutil.rmtree(cls.generated)

    def setUp(self):
        super().setUp()
        self.server_ = self.server()
        self.a, self.b = self.agent("A", self.server_), self.agent("B", self.server_)
        wait_until(lambda: self.a.in_sync() and self.b.in_sync(), "both are in sync")
        self.ends = threading.Event()
        self.addCleanup(self.ends.set)

    def channel(self):
        channel = grpc.insecure_channel(self.server_.address, options=[
            ("grpc.max_send_message_length", 64 * MIB), ("grpc.use_local_subchannel_pool", 1)])
        self.addCleanup(channel.close)
        return channel

    def hello(self, agent_id, folder="default", create=False):
        return self.sync.SyncRequest(hello=self.sync.Hello(
            protocol=1, agent_id=agent_id, agent_name="hostile", folder=folder,
            create_folder=create))

    def open(self, channel, *requests):
        """A Sync stream that stays open; its answers are not read unless asked for."""
        def messages():
            yield from requests
            self.ends.wait(300)
        return channel.stream_stream(
            "/filesync.v1.SyncService/Sync",
            request_serializer=self.sync.SyncRequest.SerializeToString,
            response_deserializer=self.sync.SyncResponse.FromString)(messages())

    def known(self, *paths):
        """(folder id, {path: entry}) as the server tells them."""
        found, folder = {}, None
        stream = self.open(self.channel(), self.hello(b"k" * 16))
        for message in stream:
            if message.WhichOneof("message") == "welcome":
                folder = message.welcome.folder_id
            for entry in message.changes.entries:
                found[entry.path.decode() if isinstance(entry.path, bytes) else entry.path] = entry
            if all(path in found for path in paths):
                stream.cancel()
                return folder, found
        raise AssertionError("the stream ended")

    def honest_saves(self, what):
        """A save goes through; how long it took is said, not judged."""
        began = time.monotonic()
        data = os.urandom(3000)
        self.a.write("honest", data)
        self.arrives(self.b, "honest", data, 60)
        print(f"{what}: a save took {time.monotonic() - began:.2f} s, the server "
              f"{self.server_.process.peak_memory() / MIB:.0f} MiB at most", file=sys.stderr)
        self.assertTrue(self.server_.process.running())
        self.assertLess(self.server_.process.peak_memory(), MOST_RESIDENT)

    def test_downloads_that_nobody_reads(self):
        self.a.write("tiny", b"t")
        self.a.write("large", os.urandom(4 * MIB))
        self.converge(self.a, self.b)
        folder, entries = self.known("tiny", "large")
        tiny = entries["tiny"].content.refs[0].id
        large = max(entries["large"].content.refs, key=lambda ref: ref.size)
        self.assertGreater(large.size, 100_000)
        # Small ones first, so that a server that goes by what came before reads many large ones.
        request = self.chunk.DownloadChunksRequest(
            folder_id=folder, ids=[tiny] * 16 + [large.id] * 4000)
        calls = []
        for _ in range(10):
            channel = self.channel()
            for _ in range(20):
                calls.append(channel.unary_stream(
                    "/filesync.v1.ChunkService/DownloadChunks",
                    request_serializer=self.chunk.DownloadChunksRequest.SerializeToString,
                    response_deserializer=lambda data: data)(request))
        time.sleep(5)  # As long as they are let.
        self.honest_saves(f"{len(calls)} unread downloads")
        # Nor are new ones in want of memory because of them.
        late = self.agent("late", self.server_)
        self.converge(self.a, late)
        self.assertLess(self.server_.process.peak_memory(), MOST_RESIDENT)
        for call in calls:
            call.cancel()

    def test_changes_that_nobody_reads(self):
        for number in range(4000):
            self.a.write(f"d{number % 20}/{'n' * 150}{number}", f"{number}" * 200)
        self.converge(self.a, self.b)
        streams = [self.open(self.channel(), self.hello(os.urandom(16))) for _ in range(100)]
        time.sleep(5)
        self.honest_saves(f"{len(streams)} unread streams")
        for stream in streams:
            stream.cancel()

    def entry(self, path, kind=None, **fields):
        return self.types.Entry(path=path.encode(), type=kind or self.types.ENTRY_TYPE_DIRECTORY,
                                mode=0o755, **fields)

    def batches(self, count, entries, versions=None, first=1):
        """A batch's messages hold 1,000 changes at most."""
        for batch in range(first, first + count):
            for begin in range(0, len(entries), 1000):
                yield self.sync.SyncRequest(commit=self.sync.Commit(
                    batch=batch, more=begin + 1000 < len(entries),
                    changes=[self.sync.Change(entry=entry,
                                              base_version=(versions or {}).get(entry.path, 0))
                             for entry in entries[begin:begin + 1000]]))

    def results(self, stream, count):
        """Reads until so many batches were answered."""
        while count > 0:
            message = next(stream)
            if message.WhichOneof("message") == "commit_result" and not message.commit_result.more:
                self.assertEqual("", message.commit_result.failure)
                count -= 1

    def test_moves_that_fall_one_by_one(self):
        """s0 becomes t0, and s0/k t1/u; s1 becomes t1, and s1/k t2/u …; but the last k goes to
        where there is no directory: so it stays, and so does what holds it, and so on."""
        links, agent = 1000, os.urandom(16)
        made = [self.entry(f"s{link}{child}") for link in range(links) for child in ("", "/k")]
        stream = self.open(self.channel(), self.hello(agent), *self.batches(1, made))
        outcomes = []
        for message in stream:
            if message.WhichOneof("message") != "commit_result":
                continue
            outcomes += message.commit_result.outcomes
            if not message.commit_result.more:
                break
        stream.cancel()
        versions = {entry.path: outcome.accepted.version for entry, outcome in zip(made, outcomes)}
        self.assertTrue(all(versions.values()))
        changes = []
        for link in range(links):
            there = f"t{link + 1}/u" if link + 1 < links else "missing/u"
            for old, new in ((f"s{link}", f"t{link}"), (f"s{link}/k", there)):
                changes.append(self.entry(new, moved_from=old.encode()))
                changes.append(self.entry(old, self.types.ENTRY_TYPE_TOMBSTONE,
                                          moved_to=new.encode()))
                changes[-1].mode = 0
        stream = self.open(self.channel(), self.hello(agent),
                           *self.batches(5, changes, versions, first=2))
        next(stream)
        began = time.monotonic()
        reader = threading.Thread(target=self.results, args=(stream, 5))
        reader.start()
        self.honest_saves(f"batches of {len(changes)} (moves, one by one)")
        # A tenth of a second is enough, where what they cost does not grow with their square.
        reader.join(8)
        self.assertFalse(reader.is_alive(), "the batches are decided")
        print(f"5 batches of {len(changes)} (moves, one by one): "
              f"{time.monotonic() - began:.2f} s", file=sys.stderr)
        stream.cancel()
        self.converge(self.a, self.b)
        self.assertEqual({f"s{link}" for link in range(links)} | {"honest", ".syncagent"},
                         set(os.listdir(self.a.dir)))

    def test_batches_that_fall_apart(self):
        """Each change needs the one before it, and the first one can't be."""
        tombstone = self.types.ENTRY_TYPE_TOMBSTONE
        count = 4000
        deep = [self.entry(f"missing/{tree}/" + "/".join("d" * (number + 1)))
                for tree in range(count // 100) for number in range(100)]
        moves = []
        for number in range(count // 2):
            moves.append(self.types.Entry(path=f"m{number}".encode(), type=tombstone,
                                          moved_to=f"m{number + 1}/x".encode()))
            moves.append(self.entry(f"m{number + 1}/x", moved_from=f"m{number}".encode()))
        for name, entries in (("deep", deep), ("deep, backwards", deep[::-1]), ("moves", moves)):
            stream = self.open(self.channel(), self.hello(os.urandom(16)),
                               *self.batches(5, entries))
            next(stream)
            began = time.monotonic()
            reader = threading.Thread(target=self.results, args=(stream, 5))
            reader.start()
            self.honest_saves(f"batches of {len(entries)} ({name})")
            reader.join()
            print(f"5 batches of {len(entries)} ({name}): {time.monotonic() - began:.2f} s",
                  file=sys.stderr)
            stream.cancel()
        wait_until(self.a.in_sync, "in sync")

    def test_messages_in_a_wrong_order(self):
        """Each ends the stream that it came on, and nothing else."""
        commit = self.sync.SyncRequest(commit=self.sync.Commit(
            batch=1, changes=[self.sync.Change(entry=self.entry("x"))]))
        other = self.sync.SyncRequest(commit=self.sync.Commit(
            batch=1, changes=[self.sync.Change(entry=self.entry("y"))]))
        hello = self.hello(b"o" * 16)
        observer = self.sync.SyncRequest(hello=self.sync.Hello(
            protocol=1, agent_id=b"p" * 16, agent_name="hostile", folder="default", observe=True))
        held = self.sync.SyncRequest(held_conflicts=self.sync.HeldConflicts())
        for name, requests in (("commit first", (commit,)), ("twice hello", (hello, hello)),
                               ("another batch of one number", (hello, commit, other)),
                               ("an observer that commits", (observer, commit)),
                               ("an observer that holds", (observer, held))):
            with self.subTest(name):
                stream = self.open(self.channel(), *requests)
                with self.assertRaises(grpc.RpcError) as raised:
                    for _ in stream:
                        pass
                self.assertEqual(grpc.StatusCode.INVALID_ARGUMENT, raised.exception.code())
        self.honest_saves("wrong orders")

    def test_content_of_other_folders(self):
        self.a.write("secret", os.urandom(100_000))
        self.converge(self.a, self.b)
        _, entries = self.known("secret")
        secret = entries["secret"].content.refs[0].id
        channel = self.channel()
        stream = self.open(channel, self.hello(b"q" * 16, "other", create=True))
        other = next(iter(stream)).welcome.folder_id
        download = channel.unary_stream(
            "/filesync.v1.ChunkService/DownloadChunks",
            request_serializer=self.chunk.DownloadChunksRequest.SerializeToString,
            response_deserializer=lambda data: data)
        for ids in ([secret], [secret] * 1000, [b"x" * 32], [b"short"], [b""]):
            with self.assertRaises(grpc.RpcError) as raised:
                list(download(self.chunk.DownloadChunksRequest(folder_id=other, ids=ids)))
            self.assertIn(raised.exception.code(), (grpc.StatusCode.NOT_FOUND,
                                                    grpc.StatusCode.INVALID_ARGUMENT))
        stream.cancel()
        self.honest_saves("content of others")


if __name__ == "__main__":
    unittest.main()
