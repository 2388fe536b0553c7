"""A server that was restarted: every agent is back soon, and nobody waits for a long backoff."""
import os
import time
import unittest

import harness
from harness import wait_until

AGENTS = 6
RESTARTS = 3
# Agents are told to come back within 5 s at random; a restart takes two or three more.
BACK_WITHIN = 15


class ReconnectTest(harness.SyncTestCase):
    def test_all_are_back_soon_after_each_restart(self):
        server = self.server()
        agents = [self.agent(f"agent{number}", server) for number in range(AGENTS)]
        for restart in range(RESTARTS):
            for agent in agents:
                wait_until(agent.in_sync, f"{agent.name} is in sync", BACK_WITHIN)
            agents[restart].write("file", f"before restart {restart}")
            for agent in agents:
                self.arrives(agent, "file", f"before restart {restart}")
            self.assertEqual(0, server.process.stop())
            server.start()
        for agent in agents:
            wait_until(agent.in_sync, f"{agent.name} is in sync", BACK_WITHIN)

    def test_a_save_made_while_it_was_down_is_sent(self):
        server, a, b = self.pair()
        wait_until(lambda: a.in_sync() and b.in_sync(), "in sync")
        server.process.kill()
        a.write("file", "made while the server was down")
        wait_until(lambda: "offline" in a.status().get("state", ""), "A is offline")
        server.start()
        self.arrives(b, "file", "made while the server was down", BACK_WITHIN)

    def test_a_stop_waits_for_nobody_who_is_idle(self):
        """Agents keep uploads open, and take seconds to see that a connection ends; the server's
        patience for what is under way is 8 s."""
        server, a, b = self.pair()
        a.write("large", os.urandom(3 << 20))
        self.converge(a, b)
        began = time.monotonic()
        self.assertEqual(0, server.process.stop())
        self.assertLess(time.monotonic() - began, 3)
        server.start()
        a.write("large", os.urandom(3 << 20))
        self.converge(a, b)


if __name__ == "__main__":
    unittest.main()
