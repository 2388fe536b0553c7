"""docker-compose --profile demo on a real engine: healthy, syncing, scraped, and administered."""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

import harness
from harness import wait_until

BASE_IMAGE = "debian:bookworm-slim"
PROJECT = "filesynctest"


def run(*arguments, check=True, timeout=3000, **options):
    result = subprocess.run(arguments, capture_output=True, text=True, check=False,
                            timeout=timeout, **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(arguments)}\n{result.stdout[-4000:]}{result.stderr[-6000:]}")
    return result


def engine_runs():
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


class ComposeTest(unittest.TestCase):
    daemon = None

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix="filesync-compose-", dir="/var/tmp")
        if not engine_runs():
            # Everything the engine keeps goes with the test.
            with open(os.path.join(cls.scratch, "dockerd.log"), "wb") as log:
                cls.daemon = subprocess.Popen(
                    ["dockerd", "--data-root", os.path.join(cls.scratch, "docker")],
                    stdout=log, stderr=log)
            wait_until(engine_runs, "the engine runs", 60, 0.5)
        cls.make_base_image()
        cls.env = {**os.environ, "COMPOSE_PROJECT_NAME": PROJECT,
                   "SYNCD_PORT": str(harness.free_port()),
                   "SYNCD_HTTP_PORT": str(harness.free_port()),
                   "PROMETHEUS_PORT": str(harness.free_port()), "DOCKER_BUILDKIT": "0",
                   "COMPOSE_DOCKER_CLI_BUILD": "0"}
        cls.server = "127.0.0.1:" + cls.env["SYNCD_PORT"]
        cls.compose("--profile", "demo", "up", "-d", "--build")

    @classmethod
    def tearDownClass(cls):
        with contextlib.suppress(AssertionError):
            cls.compose("--profile", "demo", "down", "-v", "--remove-orphans")
        if cls.daemon is not None:
            cls.daemon.terminate()
            cls.daemon.wait(60)
            # Mounts of layers may outlive the engine by a moment.
            for _ in range(20):
                if subprocess.run(["rm", "-rf", cls.scratch], capture_output=True,
                                  check=False).returncode == 0:
                    break
                time.sleep(0.5)

    @classmethod
    def compose(cls, *arguments):
        return run("docker-compose", *arguments, cwd=harness.ROOT, env=cls.env)

    @classmethod
    def make_base_image(cls):
        """The image that the Dockerfile names, made here where no registry can be reached."""
        if run("docker", "image", "inspect", BASE_IMAGE, check=False).returncode == 0:
            return
        if run("docker", "pull", BASE_IMAGE, check=False, timeout=120).returncode == 0:
            return
        root = os.path.join(cls.scratch, "base")
        run("debootstrap", "--variant=minbase", "bookworm", root)
        # The host's way to packages is the image's too.
        for name in ("sources.list", "sources.list.d", "apt.conf.d", "trusted.gpg.d"):
            source, target = f"/etc/apt/{name}", f"{root}/etc/apt/{name}"
            if os.path.isdir(source):
                shutil.copytree(source, target, dirs_exist_ok=True)
            elif os.path.isfile(source):
                shutil.copy(source, target)
        with contextlib.suppress(OSError):
            shutil.copytree("/etc/ssl/certs", f"{root}/etc/ssl/certs", dirs_exist_ok=True)
        archive = os.path.join(cls.scratch, "base.tar")
        run("tar", "-C", root, "-cf", archive, ".")
        run("docker", "import", archive, BASE_IMAGE)
        run("rm", "-rf", root, archive)

    def state(self, service):
        identity = self.compose("ps", "-q", service).stdout.strip()
        if not identity:
            return {}
        return json.loads(run("docker", "inspect", identity).stdout)[0]

    def execute(self, service, *command):
        return self.compose("exec", "-T", service, *command).stdout

    def test_1_all_become_healthy(self):
        for service in ("syncd", "prometheus", "agent-a", "agent-b"):
            wait_until(lambda s=service: self.state(s).get("State", {}).get("Health", {})
                       .get("Status") == "healthy", f"{service} is healthy", 120, 1)
            state = self.state(service)
            self.assertTrue(state["HostConfig"]["ReadonlyRootfs"])
            self.assertNotIn(state["Config"]["User"], ("", "root", "0"))

    def test_2_a_file_goes_from_volume_to_volume(self):
        self.execute("agent-a", "sh", "-c", "echo hello from a > /data/hello.txt")
        wait_until(lambda: "hello from a" in run(
            "docker-compose", "exec", "-T", "agent-b", "cat", "/data/hello.txt", check=False,
            cwd=harness.ROOT, env=self.env).stdout, "arrives in the other volume", 60, 0.5)

    def prometheus(self, query):
        url = (f"http://127.0.0.1:{self.env['PROMETHEUS_PORT']}/api/v1/query?"
               + urllib.parse.urlencode({"query": query}))
        with urllib.request.urlopen(url, timeout=10) as answer:
            return [float(r["value"][1]) for r in json.load(answer)["data"]["result"]]

    def test_3_prometheus_scrapes(self):
        wait_until(lambda: self.prometheus('up{job="syncd"}') == [1.0], "the target is up", 90, 1)
        wait_until(lambda: sum(self.prometheus("filesync_commits_total")) > 0,
                   "a metric is not zero", 90, 1)

    def test_4_grpcurl(self):
        grpcurl = shutil.which("grpcurl")
        if grpcurl is None:
            self.assertIsNotNone(shutil.which("go"), "grpcurl, or Go to bring it, is needed")
            run("go", "install", "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.1",
                env={**os.environ, "GOBIN": self.scratch})
            grpcurl = os.path.join(self.scratch, "grpcurl")
        call = [grpcurl, "-plaintext"]
        services = run(*call, self.server, "list").stdout.split()
        for service in ("filesync.v1.AdminService", "filesync.v1.SyncService",
                        "filesync.v1.ChunkService", "grpc.health.v1.Health"):
            self.assertIn(service, services)
        health = run(*call, self.server, "grpc.health.v1.Health/Check").stdout
        self.assertEqual("SERVING", json.loads(health)["status"])
        folders = json.loads(run(*call, self.server, "filesync.v1.AdminService/ListFolders").stdout)
        self.assertEqual(["default"], [folder["name"] for folder in folders["folders"]])
        agents = json.loads(run(*call, "-d", '{"folder": "default"}', self.server,
                                "filesync.v1.AdminService/ListAgents").stdout)
        self.assertEqual(["agent-a", "agent-b"],
                         sorted(agent["name"] for agent in agents["agents"]))


if __name__ == "__main__":
    unittest.main()
