"""Agents that are gone: an agent keeps its id, one that will not come back can be forgotten or is
forgotten by itself, and one that comes back all the same is merged."""
import glob
import os
import shutil
import subprocess
import time
import unittest

import grpc

import outcomes
from harness import SYNCAGENT, wait_until
from outcomes import contents

KEPT = {"kept": b"of both"}


class ForgetTest(outcomes.OutcomesTestCase):
    def setUp(self):
        super().setUp()
        self.flags = ()

    def pair_in_step(self):
        self.server_ = self.server(flags=self.flags)
        self.a, self.b = self.agent("A", self.server_), self.agent("B", self.server_)
        self.a.write("kept", b"of both")
        self.converge(self.a, self.b)

    def ids(self):
        """{name: [id, ...]} as the server lists them."""
        found = {}
        for view in self.ask("ListAgents", folder="default").agents:
            found.setdefault(view.name, []).append(view.id)
        return found

    def refused(self, code, **request):
        with self.assertRaises(grpc.RpcError) as refusal:
            self.ask("ForgetAgent", **request)
        self.assertEqual(code, refusal.exception.code(), refusal.exception.details())
        return refusal.exception.details()

    def forget(self, agent):
        [agent_id] = self.ids()[agent.name]
        return self.ask("ForgetAgent", folder="default", agent_id=agent_id)

    def test_who_is_connected_or_unknown_is_not_forgotten(self):
        self.pair_in_step()
        [agent_id] = self.ids()["B"]
        said = self.refused(grpc.StatusCode.FAILED_PRECONDITION, agent_id=agent_id)
        self.assertIn("stop it first", said)
        self.refused(grpc.StatusCode.NOT_FOUND, agent_id="0" * 32)
        self.refused(grpc.StatusCode.NOT_FOUND, agent_id="0" * 32, folder="default")
        self.refused(grpc.StatusCode.NOT_FOUND, agent_id=agent_id, folder="no such folder")
        for text in ("", "B", agent_id[:-1], agent_id + "00", "x" * 32):
            self.refused(grpc.StatusCode.INVALID_ARGUMENT, agent_id=text)
        self.assertEqual({"A", "B"}, set(self.ids()))

    def test_all_that_is_its_goes_with_it(self):
        self.pair_in_step()
        self.b.stop()
        self.b.flags = ("--conflict", "manual")
        self.b.write("kept", b"edited on B")
        self.a.write("kept", b"edited on A, longer")
        wait_until(self.a.in_sync, "A is in sync")
        self.b.start()
        wait_until(lambda: [c for c in self.ask("ListConflicts", folder="default").conflicts
                            if c.kind == "held"], "B's conflict is held")
        self.b.stop()
        wait_until(lambda: not any(view.connected and view.name == "B" for view in
                                   self.ask("ListAgents", folder="default").agents), "B is gone")
        answer = self.forget(self.b)
        self.assertEqual([("B", "default")], [(v.name, v.folder) for v in answer.agents])
        self.assertEqual(1, answer.conflicts)
        self.assertEqual({"A"}, set(self.ids()))
        self.assertFalse(self.ask("ListConflicts", folder="default").conflicts)

    def test_who_comes_back_is_merged(self):
        self.pair_in_step()
        for name in ("deleted", "edited", "both"):
            self.a.write(name, name.encode())
        self.converge(self.a, self.b)
        self.b.stop()
        os.unlink(self.a.path("deleted"))
        self.a.write("edited", b"edited on A")
        self.a.write("new of A", b"new")
        wait_until(self.a.in_sync, "A is in sync")
        self.b.write("new of B", b"new")
        self.forget(self.b)
        self.assertEqual({"A"}, set(self.ids()))
        # Whether it hears of it or not: it is killed before it says anything, and comes again.
        self.b.start()
        self.b.kill()
        self.restart(self.b)
        self.converge(self.a, self.b)
        held = contents(self.a)
        self.assertEqual(b"deleted", held.pop("deleted"), "a merge deletes nothing")
        self.assertEqual({"kept": b"of both", "both": b"both", "new of A": b"new",
                          "new of B": b"new"},
                         {name: data for name, data in held.items() if "edited" not in name})
        # What is older here is known to history, and no conflict.
        self.assertEqual({b"edited on A"},
                         {data for name, data in held.items() if "edited" in name})
        self.assertEqual({"A": 1, "B": 1}, {name: len(ids) for name, ids in self.ids().items()})
        with open(self.b.log, encoding="utf-8") as log:
            self.assertEqual(1, log.read().count("the server had forgotten this agent"))
        # And that was it: from now on deletions are deletions again.
        self.b.stop()
        os.unlink(self.a.path("deleted"))
        wait_until(self.a.in_sync, "A is in sync")
        self.restart(self.b)
        self.converge(self.a, self.b)
        self.assertNotIn("deleted", contents(self.b))

    def test_who_is_absent_for_long_goes_by_itself(self):
        self.flags = ("--forget-agents-after", "6s")
        self.pair_in_step()
        self.b.stop()
        # What is said of the time that the server was off, or of the clock, does not count.
        self.server_.process.stop()
        time.sleep(8)
        self.server_.start()
        self.assertIn("B", self.ids())
        wait_until(lambda: "B" not in self.ids(), "B is forgotten", 60)
        self.assertEqual(1, len(self.ids()["A"]), "who is there stays")
        self.restart(self.b)
        self.converge(self.a, self.b)
        self.assertEqual(KEPT, contents(self.b))

    def test_an_agent_keeps_its_id(self):
        self.pair_in_step()
        before = self.ids()
        self.b.stop()
        for path in glob.glob(self.b.path(".syncagent/state.db*")):
            os.unlink(path)
        self.restart(self.b)
        self.assertEqual(before, self.ids(), "over a state that was lost")
        self.b.stop()
        with open(self.b.path(".syncagent/state.db"), "r+b") as state:
            state.write(b"garbage" * 100)
        self.restart(self.b)
        self.assertEqual(before, self.ids(), "over a state that was damaged")
        self.b.stop()
        with open(self.b.path(".syncagent/agent-id"), "w", encoding="utf-8") as note:
            note.write("garbage")
        self.restart(self.b)
        self.assertEqual(before, self.ids(), "over a note that was damaged")
        self.b.write("later", b"x")
        self.converge(self.a, self.b)

    def test_a_copy_of_the_directory_is_another_agent(self):
        self.pair_in_step()
        self.b.stop()
        copy = os.path.join(self.base, "copy")
        subprocess.run(["cp", "-a", self.b.dir, copy], check=True)
        other = os.path.join(self.base, "other")
        subprocess.run(["cp", "-a", self.b.dir, other], check=True)
        for path in glob.glob(os.path.join(other, ".syncagent/state.db*")):
            os.unlink(path)
        for directory in (copy, other):
            result = subprocess.run([SYNCAGENT, "sync", "--server", self.server_.address,
                                     "--name", os.path.basename(directory), directory],
                                    capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual(0, result.returncode, result.stderr)
        ids = self.ids()
        self.assertEqual(4, len({agent_id for [agent_id] in ids.values()}), ids)
        shutil.rmtree(copy)


if __name__ == "__main__":
    unittest.main()
