"""Both sides work on the same tree at once, at random: it converges, and nothing gets lost."""
import os
import threading
import time
import unittest

import harness

SECONDS = float(os.environ.get("FILESYNC_CHAOS_SECONDS", "8"))


class Worker(threading.Thread):
    """Random operations on one side. Files named keep-… are made once and never touched again by
    anybody, except by moving a directory above them."""

    def __init__(self, side, root, random):
        super().__init__()
        self.side, self.root, self.random = side, root, random
        self.kept = []
        self.until = time.monotonic() + SECONDS
        self.error = None

    def directories(self):
        found = [self.root]
        for path, names, _ in os.walk(self.root):
            names[:] = [name for name in names if name != ".syncagent"]
            found += [os.path.join(path, name) for name in names]
        return found

    def shared_files(self):
        return [os.path.join(path, name) for path, _, names in os.walk(self.root)
                if ".syncagent" not in path for name in names if name.startswith("shared-")]

    def make_kept(self):
        token = f"{self.side}-{len(self.kept)}-{self.random.random()}"
        path = os.path.join(self.random.choice(self.directories()),
                            f"keep-{self.side}-{len(self.kept)}")
        with open(path, "x", encoding="ascii") as file:
            file.write(token)
        self.kept.append(token)

    def save_shared(self):
        path = os.path.join(self.random.choice(self.directories()),
                            f"shared-{self.random.randrange(8)}")
        data = self.random.randbytes(self.random.choice([10, 3000, 300_000]))
        if self.random.random() < 0.5:
            with open(path, "wb") as file:
                file.write(data)
        else:
            with open(path + "~", "wb") as file:
                file.write(data)
            os.rename(path + "~", path)

    def delete_shared(self):
        files = self.shared_files()
        if files:
            os.unlink(self.random.choice(files))

    def make_directory(self):
        above = self.random.choice(self.directories())
        if above.count("/") - self.root.count("/") < 5:
            os.mkdir(os.path.join(above, f"d{self.random.randrange(6)}"))

    def move_directory(self):
        directories = self.directories()[1:]
        if directories:
            source = self.random.choice(directories)
            target = os.path.join(self.random.choice([self.root, *directories]),
                                  f"m{self.random.randrange(6)}")
            if not os.path.lexists(target):
                os.rename(source, target)

    def remove_directory(self):
        directories = self.directories()[1:]
        if directories:
            os.rmdir(self.random.choice(directories))

    def run(self):
        steps = [self.make_kept, self.save_shared, self.save_shared, self.delete_shared,
                 self.make_directory, self.move_directory, self.remove_directory]
        while time.monotonic() < self.until:
            try:
                self.random.choice(steps)()
            except OSError:
                pass  # the other side was faster
            except Exception as error:  # pylint: disable=broad-except
                self.error = error
                return
            # Bursts and pauses, as people and programs work.
            if self.random.random() < 0.1:
                time.sleep(self.random.random() * 0.3)


class ChaosTest(harness.SyncTestCase):
    def contents(self, agent):
        found = set()
        for path, state in harness.snapshot(agent.dir).items():
            if state[0] == "file" and b"keep-" in os.path.basename(path):
                with open(state[4], encoding="ascii") as file:
                    found.add(file.read())
        return found

    def work(self, agents, during=None):
        """Lets a worker loose on each agent's directory; returns what must exist afterwards."""
        random = harness.seed()
        workers = [Worker(agent.name, agent.dir, type(random)(random.random()))
                   for agent in agents]
        for worker in workers:
            worker.start()
        if during is not None:
            during(random, workers)
        for worker in workers:
            worker.join()
            self.assertIsNone(worker.error)
        expected = {token for worker in workers for token in worker.kept}
        self.assertGreater(len(expected), 10)
        return expected

    def check(self, agents, expected):
        self.converge(*agents, deadline=120)
        self.no_leftovers(*agents)
        for agent in agents:
            self.assertEqual(set(), expected - self.contents(agent), f"lost at {agent.name}")

    def common_tree(self, *agents):
        for number in range(40):
            agents[0].write(f"d{number % 6}/d{number % 4}/shared-{number % 8}", os.urandom(2000))
        self.converge(*agents)

    def test_two_sides(self):
        _, a, b = self.pair(flags=("--max-delete", "off"))
        self.check([a, b], self.work([a, b]))

    def test_three_sides_from_a_common_tree(self):
        server, a, b = self.pair(flags=("--max-delete", "off"))
        self.common_tree(a, b)
        agents = [a, b, self.agent("C", server, flags=("--max-delete", "off"))]
        self.check(agents, self.work(agents))

    def test_with_programs_that_die(self):
        server, a, b = self.pair(flags=("--max-delete", "off"))

        def kill(random, workers):
            while any(worker.is_alive() for worker in workers):
                victim = random.choice([a, b, server])
                time.sleep(random.random())
                if victim is server:
                    server.process.kill()
                else:
                    victim.kill()
                victim.start()
        self.check([a, b], self.work([a, b], kill))

    def test_apart_then_together(self):
        server, a, b = self.pair(flags=("--max-delete", "off"))
        self.common_tree(a, b)
        server.process.kill()
        expected = self.work([a, b])
        server.start()
        self.check([a, b], expected)


if __name__ == "__main__":
    unittest.main()
