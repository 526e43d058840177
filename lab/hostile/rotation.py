"""The operator of `all.py`."""

import re
import subprocess
import time
from collections import Counter

from parts import BIN, PLANT, SECONDS, fail, stop, wait_for

ROUND = 60 if SECONDS >= 600 else 15
# For `ring retire`. No token of a good session is older: those who stay write in time, the others sign in again.
TIMING = ["--longest", "300s", "--deploy", "60s"]


class Operator:
    """Rotates the ring as docs/operating.md says, and now and then deploys a file that is no ring."""

    def __init__(self, folder):
        self.ring, self.deployed, self.last = folder / "ring.txt", folder / "deployed.txt", folder / "last.txt"
        self.counts, self.servers, self.stopped = Counter(), [], []
        # Two keys that sealed until hours ago, and one that seals: so a short run retires keys too.
        first, second, third = (self.command("key", "new").split()[-1] for _ in range(3))
        at = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago)) for ago in (7200, 3600)]
        self.ring.write_text(f"seal {first}\nseal {second} from={at[0]}\nseal {third} from={at[1]}\n")
        for path in (self.deployed, self.last):
            path.write_text(self.ring.read_text())
        self.stopped = [id for id in re.findall(r"\b[0-9a-f]{8}\b", self.command("ring", "show", self.ring))
                        if id != self.seals()]

    def command(self, *arguments):
        done = subprocess.run([BIN / "sealed-session", *arguments], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{arguments[:2]}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def seals(self):
        return self.command("ring", "show", self.ring, "--id")

    def deploy(self):
        if PLANT != "early-retire":
            self.command("rehearse", self.ring, "--previous", self.last, *TIMING)
        before = [server.events["KeysInUse"] for server in self.servers]
        for path in (self.deployed, self.last):
            self.put(path, self.ring.read_text())
        seals = self.seals()
        wait_for("every server has the new ring", lambda: all(
            server.events["KeysInUse"] > was and server.ring[0] == seals for server, was in zip(self.servers, before)))
        self.counts["rings deployed"] += 1

    def put(self, path, text):
        """At once: somebody may be reading the file."""
        beside = path.with_suffix(".new")
        beside.write_text(text)
        beside.rename(path)

    def rotate(self):
        old, new = self.seals(), self.command("ring", "add", self.ring, "--id")
        self.deploy()
        self.command("ring", "seal", self.ring, new)
        self.deploy()
        self.counts["rotations"] += 1
        self.stopped.append(old)
        if PLANT == "early-retire":
            self.command("ring", "retire", self.ring, old, "--force")
            self.deploy()
        else:
            self.retire()

    def retire(self):
        """Removes the oldest key, if its time has come."""
        try:
            self.command("ring", "retire", self.ring, self.stopped[0], *TIMING)
        except RuntimeError as error:
            if "must stay until" not in str(error):
                raise
            self.counts["keys that had to stay"] += 1
            return
        self.stopped.pop(0)
        self.deploy()
        self.counts["keys retired"] += 1

    def spoil(self, number):
        """A broken file for three seconds, partly written in place: nothing may change but the log."""
        good = self.last.read_text()
        wrongs = ["", good[:-20], "no ring\n", re.sub(r"seal (\S+).*", r"open \1", good), None]
        wrong = wrongs[number % len(wrongs)]

        def count(*names):
            return [sum(server.events[name] for name in names) for server in self.servers]

        failed, rings = count("warning (KeysReloadFailed)"), count("KeysInUse", "warning (KeyDropped)")
        recovered = count("event (KeysReloadRecovered)")
        if wrong is None:
            self.deployed.unlink()
        elif number % 2:
            self.put(self.deployed, wrong)
        else:
            self.deployed.write_text(wrong)
        wait_for(f"the servers refuse file {wrong!r:.20}", lambda: all(
            now > was for now, was in zip(count("warning (KeysReloadFailed)"), failed)))
        time.sleep(3)
        if count("KeysInUse", "warning (KeyDropped)") != rings:
            fail("a broken ring changed the keys in use")
        self.put(self.deployed, good)
        wait_for("the servers read the good file again", lambda: all(
            now > was for now, was in zip(count("event (KeysReloadRecovered)"), recovered)))
        self.counts["broken files refused"] += 1

    def work(self):
        number = 0
        while not stop.wait(ROUND / 3):
            self.rotate()
            if stop.wait(ROUND / 3):
                break
            self.spoil(number)
            number += 1
