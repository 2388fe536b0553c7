"""Two Syncthing daemons at their fastest setting: watched with a delay of one second."""
import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
import xml.etree.ElementTree as xml

import arrival
import harness


class Daemon:
    def __init__(self, base, name):
        self.home = os.path.join(base, name + "-home")
        self.dir = os.path.join(base, name)
        os.mkdir(self.dir)
        subprocess.run(["syncthing", "generate", f"--home={self.home}", "--no-default-folder"],
                       check=True, capture_output=True)
        self.listen, self.api = harness.free_port(), harness.free_port()
        tree = xml.parse(os.path.join(self.home, "config.xml"))
        self.id = tree.find("device").get("id")
        self.key = tree.find("gui/apikey").text
        self.log = os.path.join(base, name + ".log")
        self.process = None

    def configure(self, other):
        path = os.path.join(self.home, "config.xml")
        tree = xml.parse(path)
        root = tree.getroot()
        root.find("gui/address").text = f"127.0.0.1:{self.api}"
        options = root.find("options")
        for name, text in (("listenAddress", f"tcp://127.0.0.1:{self.listen}"),
                           ("globalAnnounceEnabled", "false"), ("localAnnounceEnabled", "false"),
                           ("relaysEnabled", "false"), ("natEnabled", "false"),
                           ("crashReportingEnabled", "false"), ("urAccepted", "-1")):
            item = options.find(name)
            if item is None:
                item = xml.SubElement(options, name)
            item.text = text
        device = xml.SubElement(root, "device", id=other.id, name="peer", compression="metadata")
        xml.SubElement(device, "address").text = f"tcp://127.0.0.1:{other.listen}"
        folder = xml.SubElement(root, "folder", id="b", path=self.dir, type="sendreceive",
                                rescanIntervalS="3600", fsWatcherEnabled="true",
                                fsWatcherDelayS="1")
        xml.SubElement(folder, "device", id=self.id)
        xml.SubElement(folder, "device", id=other.id)
        tree.write(path)

    def start(self):
        self.process = harness.Process(
            ["syncthing", "serve", f"--home={self.home}", "--no-browser", "--no-restart"], self.log)

    def get(self, path):
        request = urllib.request.Request(f"http://127.0.0.1:{self.api}/rest/{path}",
                                         headers={"X-API-Key": self.key})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return {}


class Syncthing:
    name = "syncthing"

    def __init__(self, base):
        self.base = tempfile.mkdtemp(prefix="syncthing-", dir=base)
        self.daemons = [Daemon(self.base, name) for name in "AB"]
        one, two = self.daemons
        one.configure(two)
        two.configure(one)
        for daemon in self.daemons:
            daemon.start()
        self.a, self.b = one.dir, two.dir
        harness.wait_until(lambda: one.get("system/connections").get("connections", {})
                           .get(two.id, {}).get("connected") and
                           two.get("db/status?folder=b").get("state") == "idle",
                           "Syncthing's daemons are connected", 120, 0.2)

    def pids(self):
        return [daemon.process.pid for daemon in self.daemons]

    def wait(self, path, size, count):
        target = os.path.join(self.b, path)
        if count is None:
            arrival.wait_for_file(target, size)
        else:
            def arrived():
                status = self.daemons[1].get("db/status?folder=b")
                return sum(status.get("local" + kind, 0)
                           for kind in ("Files", "Directories", "Symlinks")) >= count
            harness.wait_until(arrived, path, 600, 0.1)

    def close(self):
        for daemon in self.daemons:
            daemon.process.stop()
        shutil.rmtree(self.base, ignore_errors=True)
