"""kill -9 at random moments of a large transfer: converged afterwards, nothing lost, nothing left."""
import hashlib
import os
import time
import unittest

import harness
from harness import wait_until

ROUNDS = 10


class KillTest(harness.SyncTestCase):
    def make_files(self, agent, rng, label):
        """Some MiB of small and large files; {name: digest}."""
        made = {}
        for number in range(120):
            size = rng.choice([100, 5_000, 60_000, 300_000])
            made[f"{label}/s{number % 9}/{number}"] = rng.randbytes(size)
        made[f"{label}/large"] = rng.randbytes(20 << 20)
        digests = {}
        for name, data in made.items():
            agent.write(name, data)
            digests[name] = hashlib.sha256(data).hexdigest()
        return digests

    def check(self, agent, digests):
        for name, digest in digests.items():
            data = agent.read(name)
            self.assertIsNotNone(data, f"{name} is lost on {agent.name}")
            self.assertEqual(digest, hashlib.sha256(data).hexdigest(), name)

    def kill_many_times(self, victim_name):
        rng = harness.seed()
        server, a, b = self.pair()
        digests = {}
        for number in range(ROUNDS):
            source = a if number % 2 == 0 else b
            digests.update(self.make_files(source, rng, f"round{number}"))
            # The moment of the kill is what is random here, not a wait for something.
            time.sleep(rng.random() * 0.6)
            if victim_name == "server":
                server.process.kill()
                server.start()
            else:
                victim = {"A": a, "B": b}[victim_name]
                victim.kill()
                victim.start()
        self.converge(a, b, deadline=180)
        self.check(a, digests)
        self.check(b, digests)
        self.assertEqual(len(digests), sum(1 for state in harness.snapshot(a.dir).values()
                                           if state[0] == "file"), "nothing came from nowhere")
        self.no_leftovers(a, b)

    def test_kill_server(self):
        self.kill_many_times("server")

    def test_kill_sender_and_receiver_a(self):
        self.kill_many_times("A")

    def test_kill_sender_and_receiver_b(self):
        self.kill_many_times("B")


if __name__ == "__main__":
    unittest.main()
