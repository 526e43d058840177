"""Runs everything and prints the table cache x property; `lab/caches/run` calls it."""

import argparse
import atexit
import datetime
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import caches
import limits
import second_agent
from properties import PROPERTIES, World, hits, interleaving, story
from shim import MUTATIONS, Shim

failures = []
started = time.monotonic()


def section(title):
    print(f"\n== {title} ({time.monotonic() - started:.0f} s)", flush=True)


class Origins:
    """Starts origins: every cache has one of its own, with its own clock and counters."""

    def __init__(self, program, directory):
        self.program, self.directory, self.count = program, directory, 0
        self.lock = threading.Lock()

    def start(self, *arguments):
        with self.lock:
            self.count += 1
            number = self.count
        process = caches.Process([self.program, *arguments], self.directory / f"origin{number}.log", stdout=subprocess.PIPE)
        line = process.child.stdout.readline()
        if not line:
            raise SystemExit("the origin did not start")
        port = int(line)
        process.wait_for(port)
        return port, process


def in_parallel(jobs, width=3):
    """Runs the jobs, `width` at a time; the first error ends the run."""
    jobs = list(enumerate(jobs))
    results, errors, lock = {}, [], threading.Lock()

    def work():
        while True:
            with lock:
                if not jobs or errors:
                    return
                index, job = jobs.pop(0)
            try:
                results[index] = job()
            except BaseException as error:  # noqa: B902: handed on below
                errors.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(width)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[index] for index in sorted(results)]


def place_of(directory, cache, kind):
    return directory / f"{kind}-{cache.name.replace(', ', '-').replace(' ', '-')}"


def run_cache(cache, origins, directory, seeds, steps):
    origin, origin_process = origins.start()
    port, process = cache.start(place_of(directory, cache, "direct"), origin)
    world = World(cache, port, origin)
    story(world, "story")
    for seed in seeds:
        interleaving(world, seed, steps)
    hits(world)
    process.stop()
    origin_process.stop()
    return world


def cell(world, name):
    cache, board = world.cache, world.board
    if name in cache.broken:
        return "broken" if board.red[name] else "NOT BROKEN"
    if board.red[name]:
        return "broken" if name in cache.perhaps else "RED"
    if not board.checked[name]:
        return "UNCHECKED"
    if name == "asset" and not cache.cookie_hit:
        return "ok (1)"
    if name == "greeting" and not cache.vary_store:
        return "ok (2)"
    return "ok"


def judge(worlds):
    """Adds the properties that failed without being expected to, and those that were expected to fail and did not."""
    for world in worlds:
        cache, board = world.cache, world.board
        for name in PROPERTIES:
            said = cell(world, name)
            if said in ("RED", "UNCHECKED", "NOT BROKEN"):
                failures.append(f"{cache.name}: {name}: {said}")
                for message in board.red[name][:3]:
                    print(f"{cache.name}: {name}: {message}")
        # The footnotes of the table must stay true.
        if not cache.cookie_hit and board.hits["asset with cookies"]:
            failures.append(f"{cache.name}: looks up requests with cookies after all")
        if not cache.vary_store and board.hits["guest greeting"]:
            failures.append(f"{cache.name}: stores responses with Vary: Cookie after all")


def tell(world, run):
    """Walks through the story; a fault in the origin may break it off."""
    try:
        story(world, run)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        world.board.check("status", False, f"the story broke off: {error!r}")


def report(name, worlds, is_wrong):
    """Prints which properties failed: for a faulty origin at least one must fail, for a good one none."""
    found = {}
    for world in worlds:
        for red in sorted(world.board.reds() - set(world.cache.broken)):
            found.setdefault(red, []).append(world)
    said = "; ".join(f"{red}: {', '.join(world.cache.name for world in worlds)}" for red, worlds in found.items())
    print(f"{name:<42} {said or '-'}", flush=True)
    if is_wrong and not found:
        failures.append(f"no property notices: {name}")
    if found and not is_wrong:
        failures.append(f"{name}: a property fails")
        for red, worlds in found.items():
            print(*(f"  {world.cache.name}: {message}" for world in worlds
                    for message in world.board.red[red][:2]), sep="\n")


def mutations(origins, directory):
    """Undoes one rule at a time and reports which property of which cache notices it."""
    watched = [*caches.DEFAULT, caches.VARNISH_HASH]
    places = []
    for cache in watched:
        origin, _ = origins.start()
        shim = Shim(origin)
        port, _ = cache.start(place_of(directory, cache, "shim"), shim.port)
        places.append((cache, shim, port, origin))

    def one(place, name, mutation):
        cache, shim, port, origin = place
        shim.mutation = mutation
        world = World(cache, port, origin)
        tell(world, "m" + "".join(filter(str.isalnum, name)))
        return world

    for name, mutation in [("nothing undone", None), *MUTATIONS.items()]:
        report(name, in_parallel([lambda place=place: one(place, name, mutation) for place in places]), mutation)


# All except the first have one layer in a wrong place.
ORDERS = {
    "the documented stack": "documented",
    "CompressionLayer outside": "CompressionLayer, SessionLayer",
    "CorsLayer outside": "CorsLayer, SessionLayer",
    "ETag layer outside": "ETag layer, SessionLayer",
    "response cache inside": "SessionLayer, response cache",
}


def orders(origins, directory):
    """Puts layers around the application: no property fails with the documented stack, one does with every other order."""
    def one(name, cache):
        place = place_of(directory, cache, name.replace(" ", "-"))
        origin, origin_process = origins.start(ORDERS[name])
        port, process = cache.start(place, origin)
        world = World(cache, port, origin, layered=True)
        tell(world, "layers")
        process.stop()
        origin_process.stop()
        return world

    nginx = [caches.DEFAULT[0], caches.NGINX_FIXED]
    for name, order in ORDERS.items():
        is_wrong = order != "documented"
        # Before 1.23, nginx keeps only the last line of `Vary`.
        watched = nginx if is_wrong else nginx + caches.DEFAULT[1:]
        report(name, in_parallel([lambda cache=cache: one(name, cache) for cache in watched]), is_wrong)


def table(worlds):
    rows = [["", *PROPERTIES]]
    rows += [[world.cache.name, *(cell(world, name) for name in PROPERTIES)] for world in worlds]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    for row in rows:
        print("| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |")
    print("(1) a HIT for requests without cookies; this cache never looks up one that has any")
    print("(2) never a HIT; this cache does not store responses with Vary: Cookie")
    for world in worlds:
        reasons = {}
        for name, reason in world.cache.broken.items():
            reasons.setdefault(reason, []).append(name)
        for reason, names in reasons.items():
            print(f"broken: {world.cache.name}: {', '.join(names)}: {reason}")


def properties(given, origins, directory):
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    section("caches")
    chosen = [*caches.DEFAULT, *(caches.HOSTILE if given.hostile else [])]
    worlds = in_parallel([
        lambda cache=cache: run_cache(cache, origins, directory, seeds, given.steps) for cache in chosen])
    for world in worlds:
        board = world.board
        print(f"{world.cache.name}: {board.requests} requests, {sum(board.checked.values())} checks, "
              f"HITs: {', '.join(f'{what} {count}' for what, count in board.hits.items())}")
    judge(worlds)

    section("mutations, and the properties that notice them")
    mutations(origins, directory)
    for process in list(caches.Process.running):
        process.stop()

    section("orders of layers, and the properties that notice them")
    orders(origins, directory)

    section("curl, and HTTP/2 with split cookie fields")
    failures.extend(second_agent.run(origins, directory))

    versions = ", ".join(f"{cache.program} {caches.version(cache.program)}" for cache in caches.DEFAULT)
    section(f"{datetime.date.today()}: {versions}")
    table(worlds)


def main():
    parser = argparse.ArgumentParser(prog="lab/caches/run")
    parser.add_argument("--hostile", action="store_true", help="the hostile configurations as well")
    parser.add_argument("--seeds", type=int, default=12, help="how many random interleavings per cache")
    parser.add_argument("--steps", type=int, default=60, help="how many steps each of them has")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--limits", action="store_true", help="only the table of docs/large-sessions.md")
    parser.add_argument("--keep", action="store_true", help="keep the temporary directory")
    parser.add_argument("--origin", required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sealed-e2e-"))
    directory.chmod(0o755)

    def clean():
        for process in list(caches.Process.running):
            process.stop()
        if not given.keep:
            shutil.rmtree(directory, ignore_errors=True)

    atexit.register(clean)
    origins = Origins(given.origin, directory)
    if not given.limits:
        properties(given, origins, directory)
    section("limits, in bytes")
    failures.extend(limits.run(origins, directory))
    if failures:
        print("\nFAILED")
        print(*failures, sep="\n")
        sys.exit(1)
    print(f"\nall as expected, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
