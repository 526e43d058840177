"""Everything at once, against two servers that share sign-outs and follow one ring file. `run --all` starts it.

    all.py SECONDS BIN [PLANT]

`BIN` has the programs `login`, `hostile` and `sealed-session`. `PLANT` is a fault that the run has to find:
`early-retire` removes each key as soon as the next one seals, `not-shared` keeps sign-outs from the second server.
"""

import itertools
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from good import Visitor
from parts import BIN, PLANT, SECONDS, Server, began, fail, failures, in_thread, processes, stop
from rotation import Operator

HERE = Path(__file__).parent
KINDS = ["garbage", "flipped", "unknown-key", "expired", "duplicates", "oversize"]
WARM = min(120, SECONDS // 4)
# How much a server may grow after it is warm: KiB of RSS, open files, threads.
SLACK = {"rss": 8192, "files": 16, "threads": 2}
# A sign-out holds at once where it was made, and elsewhere after a second. The machine is busy, so it gets five.
ELSEWHERE = 5
# No token of a good session may be older than `TIMING` in rotation.py: those who stay write in time, the others sign in
# again.
TOO_OLD, UNCHANGED = 200, 60
# How visitors end their sessions, in turns.
WAYS = itertools.cycle(["sign-out", "sign-out-everywhere", "signs in again"])


class Copies:
    """Cookies of sessions that were signed out. They are presented again and again, and each time are a guest's."""

    def __init__(self, ports):
        self.visitor, self.kept = Visitor(ports, ""), []
        self.counts, self.latest = Counter(), 0.0

    def present(self):
        while not stop.wait(0.02):
            if not self.kept:
                continue
            name, jar, since, port = random.choice(random.choice([self.kept, self.kept[-20:]]))
            self.visitor.jar = dict(jar)
            age = time.monotonic() - since
            status, text = self.visitor.ask("GET", "/")
            self.counts["presented"] += 1
            if status != 200:
                fail(f"a copy was answered with {status}")
            elif name in text and port != self.visitor.port and age < ELSEWHERE:
                self.counts["early"] += 1
                self.latest = max(self.latest, age)
            elif name in text:
                self.counts["accepted"] += 1
                where = "same" if port == self.visitor.port else "other"
                fail(f"a copy of {name} is accepted {age:.1f} s after the sign-out, on the {where} server")


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
        way = next(WAYS)
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
            ended, port = time.monotonic(), visitor.port
        remember = {"remember": "yes"} if random.random() < 0.5 else {}
        visitor.sign_in(**remember)
        if way == "signs in again":
            ended, port = time.monotonic(), visitor.port
        visitor.changed = visitor.started = time.monotonic()
        self.counts[way] += 1
        self.copies.kept += [(visitor.name, jar, ended, port) for jar in jars]

    def add(self, visitor):
        self.counts.update(visitor.counts)
        self.times += visitor.times


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
            environment = {**os.environ, "COOKIES": str(cookies), "DONE": "/dev/null", "COUNT": "0", "PAUSE": "16"}
            senders = [subprocess.Popen([*arguments, f"http://127.0.0.1:{port}"], env=environment, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for port in self.ports]
            processes.extend(senders)
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
    peak = [Counter() for _ in servers]
    prints, warm = sorted([0, WARM, *(SECONDS * sixth // 6 for sixth in range(1, 7))]), None
    while not stop.is_set():
        second = int(time.monotonic() - began)
        for number, server in enumerate(servers):
            if server.process.poll() is not None:
                return fail(f"server {number + 1} ended with {server.process.returncode}")
        sizes = [server.size() for server in servers]
        for number, size in enumerate(sizes):
            peak[number] |= Counter(size)
        if second >= prints[0]:
            prints.pop(0)
            for number, size in enumerate(sizes):
                row(second, number + 1, size["rss"], size["files"], size["threads"])
        if not warm and second >= WARM:
            warm = sizes
        if second >= SECONDS:
            break
        time.sleep(5 if SECONDS - second > 5 else 1)
    for number, size in enumerate(peak):
        row("most", number + 1, size["rss"], size["files"], size["threads"])
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
    works = [*(group.act for group in groups), copies.present, operator.work, attack.work]
    threads = [in_thread(work) for work in works]
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
    row("copies accepted by the other server, which had not heard yet", copies.counts["early"])
    row("the latest of them, after the sign-out", f"{copies.latest:.1f} s")
    row("**copies accepted otherwise**", copies.counts["accepted"])
    row("hostile requests, a sixth of each kind", attack.counts["sent"])
    row("**errors, or answers that are not a guest's page**", attack.counts["errors"] + attack.counts["wrong"])
    for what in ("rotations", "keys retired", "keys that had to stay", "rings deployed", "broken files refused"):
        row(what, operator.counts[what])
    row("keys in the ring at the end", ", ".join(map(str, keys)))
    row("revocations held, by file", f"{' + '.join(map(str, held))} = {sum(held)}")
    print()
    row("latency, ms", "requests", "p50", "p99", "p99.9", "largest")
    row(*["---"] * 6)
    timed = {}
    for what, seconds in [*(entry for group in groups for entry in group.times),
                          *(("copy", seconds) for _, seconds in copies.visitor.times)]:
        timed.setdefault(what, Counter())[round(seconds * 1000, 1)] += 1
    # wrk adds latencies of requests that it would have sent while it waited.
    for what, counted in [*sorted(timed.items()), ("hostile, by wrk", attack.latencies)]:
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


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
with tempfile.TemporaryDirectory() as scratch:
    try:
        main(Path(scratch))
    finally:
        stop.set()
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
