"""Everything at once, against two servers that share sign-outs and follow one ring file. `run --all` starts it.

    all.py SECONDS BIN [PLANT]

`BIN` has the programs `login`, `hostile` and `sealed-session`. `PLANT` is a fault that the run has to find:
`early-retire` removes each key as soon as the next one seals, `not-shared` keeps sign-outs from the second server.
"""

import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from pathlib import Path

from good import Visitor

HERE = Path(__file__).parent
KINDS = ["garbage", "flipped", "unknown-key", "expired", "duplicates", "oversize"]
SECONDS, BIN, PLANT = int(sys.argv[1]), Path(sys.argv[2]), (sys.argv[3:] or [""])[0]
ROUND = 60 if SECONDS >= 600 else 15
WARM = min(120, SECONDS // 4)
# How much a server may grow after it is warm: KiB of RSS, open files, threads.
SLACK = {"rss": 8192, "files": 16, "threads": 2}
# A sign-out holds at once where it was made, and elsewhere after a second. The machine is busy, so it gets five.
ELSEWHERE = 5
# For `ring retire`. No token of a good session is older: who stays writes and is active, the others sign in again.
LONGEST, DEPLOY = 300, 60
TOO_OLD, UNCHANGED = 200, 60

os.umask(0o077)
stop = threading.Event()
failures, lock = [], threading.Lock()


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


class Server:
    """A process of the login example. Its lines are counted; those that are rare are kept."""

    def __init__(self, ring, shared):
        shared.mkdir(exist_ok=True)
        environment = {**os.environ, "PORT": "0", "LOGIN_KEYS": str(ring), "LOGIN_SHARED": str(shared)}
        self.process = subprocess.Popen([BIN / "login"], env=environment, text=True, errors="replace",
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
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
                name = re.match(r" +(\w+):", text) if what in ("warning", "event") else re.search(r"\(([\w ]+)\)$", text)
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


def wait_for(what, is_so, limit=20):
    end = time.monotonic() + limit
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {limit} s")
        time.sleep(0.05)


class Copies:
    """Cookies of sessions that were signed out. They are presented again and again, and each time are a guest's."""

    def __init__(self, ports):
        self.visitor, self.kept = Visitor(ports, ""), []
        self.counts = Counter()

    def keep(self, name, jar):
        self.kept.append((name, dict(jar), time.monotonic()))

    def present(self):
        while not stop.wait(0.02):
            if not self.kept:
                continue
            name, jar, since = random.choice(random.choice([self.kept, self.kept[-20:]]))
            self.visitor.jar = dict(jar)
            asked = time.monotonic()
            status, text = self.visitor.ask("GET", "/")
            self.counts["presented"] += 1
            if status != 200:
                fail(f"a copy was answered with {status}")
            elif name in text:
                # It may have been asked where the news was not yet.
                early = asked - since < ELSEWHERE
                self.counts["early" if early else "accepted"] += 1
                if not early:
                    fail(f"a copy of {name} is accepted {asked - since:.1f} s after the sign-out")


class Group:
    """Some visitors in one thread. The first ones stay signed in, the others sign out again and again."""

    def __init__(self, number, ports, copies):
        self.ports, self.copies, self.counts, self.times = ports, copies, Counter(), []
        self.stayers = [Visitor(ports, f"visitor-{number}-{index:02}") for index in range(8)]
        self.leavers = [Visitor(ports, f"visitor-{number}-{index:02}") for index in range(8, 14)]

    def act(self):
        everybody = self.stayers + self.leavers
        for visitor in everybody:
            visitor.changed = visitor.started = time.monotonic()
            visitor.sign_in()
        while not stop.wait(0.05):
            visitor = random.choice(everybody)
            now = time.monotonic()
            if visitor in self.leavers and (random.random() < 0.03 or now - visitor.started > TOO_OLD):
                self.leave(visitor)
            elif random.random() < 0.3 or now - visitor.changed > UNCHANGED:
                visitor.change()
                visitor.changed = now
            visitor.look()
        for visitor in everybody:
            visitor.look()
            self.add(visitor)

    def leave(self, visitor):
        """Signs out in one of three ways, and in again."""
        way = random.choice(["sign-out", "sign-out-everywhere", "signs in again"])
        jars = [dict(visitor.jar)]
        if way == "sign-out-everywhere":
            other = Visitor(self.ports, visitor.name)
            other.sign_in(remember="yes")
            other.look()
            jars.append(dict(other.jar))
            self.add(other)
        if way != "signs in again":
            status, _ = visitor.ask("POST", f"/{way}")
            if status != 303 or visitor.jar:
                visitor.lose(f"{way} gave {status} and left {sorted(visitor.jar)}")
        remember = {"remember": "yes"} if random.random() < 0.5 else {}
        visitor.sign_in(**remember)
        visitor.changed = visitor.started = time.monotonic()
        self.counts[way] += 1
        for jar in jars:
            self.copies.keep(visitor.name, jar)

    def add(self, visitor):
        self.counts.update(visitor.counts)
        self.times += visitor.times


class Operator:
    """Rotates the ring as docs/operating.md says, and now and then deploys a file that is no ring."""

    def __init__(self, folder):
        self.ring, self.deployed, self.last = folder / "ring.txt", folder / "deployed.txt", folder / "last.txt"
        self.counts, self.servers, self.stopped = Counter(), [], []
        # Two keys that have sealed, long ago, and one that seals: so a short run retires keys too.
        hour = 3600
        keys = [self.command("key", "new").split()[-1] for _ in range(3)]
        times = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago * hour)) for ago in (4, 3, 2)]
        self.ring.write_text("".join(f"seal from={at} {key}\n" for at, key in zip(times, keys)))
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
        timing = ["--longest", f"{LONGEST}s", "--deploy", f"{DEPLOY}s"]
        if PLANT != "early-retire":
            self.command("rehearse", self.ring, "--previous", self.last, *timing)
        before = [server.events["KeysInUse"] for server in self.servers]
        self.put(self.ring.read_text())
        self.last.write_text(self.ring.read_text())
        seals = self.seals()
        wait_for("every server has the new ring", lambda: all(
            server.events["KeysInUse"] > was and server.ring[0] == seals for server, was in zip(self.servers, before)))
        self.counts["rings deployed"] += 1

    def put(self, text):
        beside = self.deployed.with_suffix(".new")
        beside.write_text(text)
        beside.rename(self.deployed)

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
            timing = ["--longest", f"{LONGEST}s", "--deploy", f"{DEPLOY}s"]
            self.command("ring", "retire", self.ring, self.stopped[0], *timing)
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
        wrongs = ["", good[:-20], "no ring\n", re.sub(r"(?m)^seal\b.* ", "open ", good), None]
        wrong = wrongs[number % len(wrongs)]

        def count(*names):
            return [sum(server.events[name] for name in names) for server in self.servers]

        failed, rings = count("warning (KeysReloadFailed)"), count("KeysInUse", "warning (KeyDropped)")
        recovered = count("event (KeysReloadRecovered)")
        if wrong is None:
            self.deployed.unlink()
        elif number % 2:
            self.put(wrong)
        else:
            self.deployed.write_text(wrong)
        wait_for(f"the servers refuse file {wrong!r:.20}", lambda: all(
            now > was for now, was in zip(count("warning (KeysReloadFailed)"), failed)))
        time.sleep(3)
        if count("KeysInUse", "warning (KeyDropped)") != rings:
            fail("a broken ring changed the keys in use")
        self.put(good)
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


class Attack:
    """Hostile cookies of all kinds in turns, made anew with the ring of the minute: four connections to each server."""

    def __init__(self, ports, operator, folder):
        self.ports, self.operator, self.folder = ports, operator, folder
        self.counts, self.latencies = Counter(), Counter()

    def work(self):
        while not stop.is_set():
            made = [subprocess.run([BIN / "hostile", self.operator.last, "login-demo", "login-demo", kind, "200"],
                                   check=True, capture_output=True, text=True).stdout.splitlines() for kind in KINDS]
            cookies = self.folder / "cookies"
            cookies.write_text("".join(f"{line}\n" for lines in zip(*made) for line in lines))
            left = max(2, int(min(60, began + SECONDS - time.monotonic())))
            arguments = ["wrk", "-t1", "-c4", f"-d{left}s", "--timeout", "20s", "-s", HERE / "hostile.lua"]
            environment = {**os.environ, "COOKIES": str(cookies), "DONE": "/dev/null", "COUNT": "0", "PAUSE": "12"}
            senders = [subprocess.Popen([*arguments, f"http://127.0.0.1:{port}"], env=environment, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for port in self.ports]
            for sender in senders:
                self.add(sender.communicate()[0])

    def add(self, output):
        result = re.search(r"RESULT (\d+) (\d+)", output)
        if not result:
            raise RuntimeError(f"wrk: {output}")
        sent, errors = map(int, result.groups())
        wrong = sum(map(int, re.findall(r"WRONG (\d+)", output)))
        self.counts.update(sent=sent, errors=errors, wrong=wrong)
        if errors or wrong:
            fail(f"hostile cookies: {errors} errors, {wrong} answers that are not a guest's page")
        for microseconds, times in re.findall(r"LATENCY (\d+) (\d+)", output):
            self.latencies[int(microseconds) // 100 / 10] += int(times)


def part(counted, share):
    """The value below which this share of the values lies."""
    rank = sum(counted.values()) * share
    for value, times in sorted(counted.items()):
        rank -= times
        if rank <= 0:
            return value
    return 0


def row(*cells):
    print("| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells) + " |", flush=True)


def watch(servers):
    """Samples the servers' sizes until the end, and prints some."""
    row("second", "server", "RSS, KiB", "open files", "threads")
    row(*["---"] * 5)
    prints, warm = sorted([0, WARM, *(SECONDS * sixth // 6 for sixth in range(1, 7))]), None
    while not stop.is_set():
        second = int(time.monotonic() - began)
        sizes = [server.size() for server in servers]
        for number, server in enumerate(servers):
            if server.process.poll() is not None:
                fail(f"server {number + 1} ended with {server.process.returncode}")
        if second >= prints[0]:
            prints.pop(0)
            for number, size in enumerate(sizes):
                row(second, number + 1, size["rss"], size["files"], size["threads"])
        if not warm and second >= WARM:
            warm = sizes
        if second >= SECONDS:
            break
        time.sleep(5 if SECONDS - second > 5 else 1)
    for what, slack in SLACK.items():
        for number, (before, after) in enumerate(zip(warm, sizes)):
            if after[what] > before[what] + slack:
                fail(f"{what} of server {number + 1} grew from {before[what]} to {after[what]}")


def main(folder):
    operator = Operator(folder)
    shared = [folder / "shared", folder / ("apart" if PLANT == "not-shared" else "shared")]
    servers = operator.servers = [Server(operator.deployed, path) for path in shared]
    ports = [server.port for server in servers]
    copies = Copies(ports)
    groups = [Group(number, ports, copies) for number in range(4)]
    attack = Attack(ports, operator, folder)
    print(f"{time.strftime('%F %T', time.gmtime())} UTC, {SECONDS} s, {os.cpu_count()} cores {PLANT}", flush=True)
    threads = [in_thread(work) for work in [*(group.act for group in groups), copies.present, operator.work, attack.work]]
    watch(servers)
    stop.set()
    for thread in threads:
        thread.join(120)
        if thread.is_alive():
            fail("a thread did not end")
    keys = [len(server.ring) for server in servers]
    for server in servers:
        server.process.terminate()
        if server.process.wait(20):
            fail(f"a server ended with {server.process.returncode}")
    counts = sum((group.counts for group in groups), Counter())
    held = [int(re.search(r"revoked sessions: (\d+)", operator.command("revocations", path))[1])
            for path in sorted(folder.glob("*/*.revoked"))]
    events = sum((server.events for server in servers), Counter())
    print()
    row("what", "count")
    row("---", "---")
    row("good requests", counts["requests"])
    row("sign-ins", counts["sign_ins"])
    row("sessions written", counts["updated"])
    row("activity cookies alone", counts["renewed"])
    row("sign-outs", counts["sign-out"])
    row("sign-outs everywhere, each of two browsers", counts["sign-out-everywhere"])
    row("sign-ins over a session", counts["signs in again"])
    row("**lost good sessions**", counts["lost"])
    row("copies kept", len(copies.kept))
    row("copies presented", copies.counts["presented"])
    row(f"accepted on the other server within {ELSEWHERE} s", copies.counts["early"])
    row("**accepted after that**", copies.counts["accepted"])
    row("hostile requests, a sixth of each kind", attack.counts["sent"])
    row("**errors, or answers that are not a guest's page**", attack.counts["errors"] + attack.counts["wrong"])
    for what in ("rotations", "keys retired", "keys that had to stay", "rings deployed", "broken files refused"):
        row(what, operator.counts[what])
    row("keys in the ring at the end", ", ".join(map(str, keys)))
    row("revocations held, by file", ", ".join(map(str, held)))
    print()
    row("latency, ms", "requests", "p50", "p99", "p99.9", "largest")
    row(*["---"] * 6)
    timed = {}
    for what, seconds in [*(entry for group in groups for entry in group.times),
                          *(("copy", seconds) for _, seconds in copies.visitor.times)]:
        timed.setdefault(what, Counter())[round(seconds * 1000, 1)] += 1
    for what, counted in [*sorted(timed.items()), ("hostile", attack.latencies)]:
        if counted:
            row(what, counted.total(), *(part(counted, share) for share in (0.5, 0.99, 0.999)), max(counted))
    print()
    row("event in the servers' logs", "count")
    row("---", "---")
    for what, times in sorted(events.items()):
        row(what, times)
    # A run in which nothing happened shows nothing.
    done = [counts["sign-out"], counts["sign-out-everywhere"], copies.counts["presented"], attack.counts["sent"],
            *(operator.counts[what] for what in ("rotations", "keys retired", "broken files refused"))]
    if not PLANT and not all(done):
        fail(f"something did not happen: {done}")
    if counts["lost"]:
        fail(f"{counts['lost']} good sessions were lost")
    if failures:
        print(f"FAILED: {len(failures)} times", *(line for server in servers for line in server.rare), sep="\n  ")
    sys.exit(1 if failures else 0)


began = time.monotonic()
with tempfile.TemporaryDirectory() as scratch:
    main(Path(scratch))
