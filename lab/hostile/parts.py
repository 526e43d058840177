"""The two servers of `all.py`, and what all of its threads share."""

import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from pathlib import Path

SECONDS, BIN, PLANT = int(sys.argv[1]), Path(sys.argv[2]), (sys.argv[3:] or [""])[0]

os.umask(0o077)
stop = threading.Event()
failures, lock = [], threading.Lock()
began = time.monotonic()
# They must not outlive this one.
processes = []


def fail(why):
    with lock:
        failures.append(why)
        if len(failures) <= 20:
            print(f"FAILED after {time.monotonic() - began:.0f} s: {why}", file=sys.stderr, flush=True)


def in_thread(work, *arguments):
    def guarded():
        try:
            work(*arguments)
        except Exception as error:
            fail(f"{work.__name__}: {error!r}")

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    return thread


def wait_for(what, is_so, limit=60):
    end = time.monotonic() + limit
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {limit} s")
        time.sleep(0.05)


class Server:
    """A process of the login example. Its lines are counted; those that are rare are kept."""

    def __init__(self, ring, shared):
        shared.mkdir(exist_ok=True)
        environment = {**os.environ, "PORT": "0", "LOGIN_KEYS": str(ring), "LOGIN_SHARED": str(shared)}
        self.process = subprocess.Popen([BIN / "login"], env=environment, text=True, errors="replace",
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        processes.append(self.process)
        self.port, self.ring, self.events, self.rare = None, (), Counter(), deque(maxlen=40)
        in_thread(self.read)
        wait_for("the server's port", lambda: self.port)

    def read(self):
        for line in self.process.stdout:
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
            if found := re.search(r"key (\w{8}) seals, (?:no other key|these open too: ([\w,]*))", line):
                self.ring = (found[1], *filter(None, (found[2] or "").split(",")))
                self.events["KeysInUse"] += 1
            elif found := re.match(r"[\d:]{8}  (\w+)( +.*)", line):
                what, text = found.groups()
                pattern = r"^ +(\w+):" if what in ("warning", "event") else r"\(([\w ]+)\)$"
                name = re.search(pattern, text)
                self.events[f"{what} ({name[1]})" if name and what != "keys" else what] += 1
                if what not in ("rejected", "started", "updated", "touched", "ended", "revoked", "event"):
                    self.rare.append(line.rstrip())
            elif line.strip():
                self.rare.append(line.rstrip())
            if "panicked" in line:
                fail(line.strip())

    def size(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        number = {name: int(value) for name, value in re.findall(r"(VmRSS|Threads):\s+(\d+)", status)}
        files = len(os.listdir(f"/proc/{self.process.pid}/fd"))
        return {"rss": number["VmRSS"], "files": files, "threads": number["Threads"]}
