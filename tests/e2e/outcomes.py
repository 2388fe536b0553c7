"""What suites share that judge outcomes: what two sides hold, and where discarded bytes went."""
import importlib
import os
import shutil
import subprocess
import sys
import tempfile

import grpc

import harness
from harness import SYNCAGENT, wait_until


def contents(agent):
    """{path: bytes, or "directory"} of everything an agent's directory holds."""
    while True:
        try:
            found = harness.snapshot(agent.dir).items()
        except FileNotFoundError:
            continue  # Something went while it was listed.
        return {os.fsdecode(path): "directory" if state[0] == "dir" else
                agent.read(os.fsdecode(path)) for path, state in found}


def below(tree, cell):
    """What a cell has made; its paths begin with its name."""
    return {path: data for path, data in tree.items()
            if path == cell or path.startswith((cell + ".", cell + "/"))}


def with_directories(files):
    return {**{os.path.dirname(path): "directory" for path in files if "/" in path}, **files}


def soon(condition, deadline=30):
    """Waits for what should come about; whether it did is judged by the caller, bit by bit."""
    try:
        wait_until(condition, "", deadline)
    except AssertionError:
        pass


class OutcomesTestCase(harness.SyncTestCase):
    maxDiff = None
    admin = None

    @classmethod
    def setUpClass(cls):
        if OutcomesTestCase.admin is None:
            with tempfile.TemporaryDirectory(prefix="filesync-proto-") as generated:
                protos = os.path.join(harness.ROOT, "protos")
                subprocess.run(["protoc", f"--proto_path={protos}", f"--python_out={generated}",
                                os.path.join(protos, "filesync", "v1", "admin.proto")], check=True)
                sys.path.insert(0, generated)
                OutcomesTestCase.admin = importlib.import_module("filesync.v1.admin_pb2")
                sys.path.remove(generated)

    def ask(self, method, **request):
        """One call of AdminService."""
        kind = getattr(self.admin, method + "Request")
        with grpc.insecure_channel(self.servers[0].address) as channel:
            return channel.unary_unary(
                "/filesync.v1.AdminService/" + method, request_serializer=kind.SerializeToString,
                response_deserializer=getattr(self.admin, method + "Response").FromString)(
                    kind(**request), timeout=20)

    def listed(self, agent):
        """{path: size} of what the agent's folder holds on the server."""
        answer = self.ask("ListEntries", folder=agent.folder, page_size=1000)
        return {view.path: view.size for view in answer.entries}

    def in_history(self, agent, path, data):
        """The folder has, or had, a file of that size at this path; tests make sizes differ."""
        try:
            answer = self.ask("GetEntry", folder=agent.folder, path=path)
        except grpc.RpcError:
            return False
        return any(view.type == "file" and view.size == len(data)
                   for view in (answer.entry, *(past.entry for past in answer.history)))

    def in_trash(self, agent, data):
        for directory, _, names in os.walk(agent.path(".syncagent/trash")):
            for name in names:
                with open(os.path.join(directory, name), "rb") as file:
                    if file.read() == data:
                        return True
        return False

    def save(self, agent, path, data, mtime=None):
        """As editors do: beside, then renamed into place; a new directory with what is in it."""
        directory, name = os.path.split(path)
        beside = tempfile.mkdtemp(dir=self.base)
        os.chmod(beside, 0o755)
        made = os.path.join(beside, name)
        with open(made, "wb") as file:
            file.write(data)
        if mtime is not None:
            os.utime(made, ns=(mtime, mtime))
        if os.path.isdir(agent.path(directory)):
            os.rename(made, agent.path(path))
            os.rmdir(beside)
        else:
            os.rename(beside, agent.path(directory))

    def remove(self, agent, path):
        if os.path.isdir(agent.path(path)):
            shutil.rmtree(agent.path(path))
        else:
            os.unlink(agent.path(path))

    def restart(self, agent):
        agent.start()
        wait_until(agent.in_sync, f"{agent.name} in sync")

    def sync(self, agent, *flags, env=None):
        """One shot, without a terminal."""
        return subprocess.run(
            [SYNCAGENT, "sync", "--server", agent.server, "--folder", agent.folder, "--name",
             agent.name, *flags, agent.dir], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, timeout=60, env={**os.environ, **(env or {})})

    def synced(self, agent, *flags, **options):
        result = self.sync(agent, *flags, **options)
        self.assertEqual(0, result.returncode, f"{flags}: {result.stdout}{result.stderr}")
