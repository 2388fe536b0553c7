"""Ignore rules that the server keeps for all agents of a folder."""
import json
import os
import subprocess
import unittest

import grpc

import harness
from harness import wait_until


def text_field(number, text):
    """One field of a message, as protobuf encodes it; up to 127 bytes, or two for the length."""
    data = text.encode()
    length = bytes([len(data)]) if len(data) < 128 else \
        bytes([len(data) & 0x7f | 0x80, len(data) >> 7])
    return bytes([number << 3 | 2]) + length + data


def set_rules(server, *rules, folder="default"):
    request = text_field(1, folder) + b"".join(text_field(2, rule) for rule in rules)
    with grpc.insecure_channel(server.address) as channel:
        channel.unary_unary("/filesync.v1.AdminService/SetFolderRules")(request, timeout=30)


class FolderRulesTest(harness.SyncTestCase):
    def verdict(self, agent, name):
        result = subprocess.run([harness.SYNCAGENT, "ignore", "test", "--json", agent.path(name)],
                                capture_output=True, text=True, check=False, timeout=30)
        return json.loads(result.stdout) if result.returncode == 0 else {}

    def in_force(self, *agents, path="x.log"):
        for agent in agents:
            wait_until(lambda a=agent: self.verdict(a, path).get("ignored"), "the rule holds")

    def test_rules_hold_at_once_and_delete_nothing(self):
        server, a, b = self.pair()
        a.write("kept.log", "one")
        a.write("text", "one")
        self.arrives(b, "kept.log", "one")
        self.converge(a, b)
        set_rules(server, "*.log", "!keep-me.log")
        self.in_force(a, b)
        self.assertEqual("the folder's rules", self.verdict(a, "x.log")["source"])
        a.write("kept.log", "two")
        a.write("new.log", "hidden")
        a.write("keep-me.log", "visible")
        a.write("text", "two")
        self.arrives(b, "text", "two")
        self.arrives(b, "keep-me.log", "visible")
        self.assertEqual(b"one", b.read("kept.log"))
        self.assertIsNone(b.read("new.log"))
        os.unlink(b.path("kept.log"))
        wait_until(b.in_sync, "B is in sync")
        self.assertEqual(b"two", a.read("kept.log"))
        # One agent's stream was never dropped for it.
        self.assertEqual(2, server.process.output().count(" connected to folder"))
        set_rules(server)
        self.arrives(b, "new.log", "hidden")
        self.converge(a, b)
        self.assertEqual(b"two", b.read("kept.log"))

    def test_who_joins_later_has_them(self):
        server = self.server()
        a = self.agent("A", server)
        a.write("secret.key", "x")
        a.write("text", "x")
        wait_until(a.in_sync, "in sync")
        set_rules(server, "*.key")
        self.in_force(a, path="x.key")
        b = self.agent("B", server)
        self.arrives(b, "text", "x")
        self.converge_but(a, b, "secret.key")

    def converge_but(self, a, b, hidden):
        wait_until(lambda: a.in_sync() and b.in_sync(), "both in sync")
        self.assertIsNone(b.read(hidden))
        self.assertEqual(b"x", a.read(hidden))

    def test_they_hold_over_restarts_and_without_the_server(self):
        server, a, _ = self.pair()
        a.write("text", "x")
        wait_until(a.in_sync, "in sync")
        set_rules(server, "*.log")
        self.in_force(a)
        a.stop()
        server.process.stop()
        a.start()
        self.in_force(a)
        a.write("new.log", "hidden")
        server.start()
        wait_until(a.in_sync, "in sync again")
        self.assertEqual([".syncagent", "text"], sorted(
            name for name in os.listdir(self.agents[1].dir)))

    def test_what_is_wrong_is_refused(self):
        server = self.server()
        a = self.agent("A", server)
        wait_until(a.in_sync, "in sync")
        for rules, folder, code in ((("a\nb",), "default", grpc.StatusCode.INVALID_ARGUMENT),
                                    (("x" * 5000,) * 14, "default",
                                     grpc.StatusCode.INVALID_ARGUMENT),
                                    (("x",), "none", grpc.StatusCode.NOT_FOUND)):
            with self.assertRaises(grpc.RpcError) as caught:
                set_rules(server, *rules, folder=folder)
            self.assertEqual(code, caught.exception.code())


if __name__ == "__main__":
    unittest.main()
