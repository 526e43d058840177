"""Keeps sessions signed in, writes and renews them until it is interrupted, and fails if one is lost.

    good.py PORT SESSIONS REPORT

Every answer must name the visitor and show the basket that this client remembers. Otherwise the session is lost: it has
ended, belongs to another visitor, or went back to an older state.
"""

import http.client
import json
import random
import re
import signal
import sys
import time
from http.cookies import SimpleCookie
from urllib.parse import urlencode

NAME = "login-demo"


class Visitor:
    """A browser of one visitor. With several ports, any of these servers gets each request."""

    def __init__(self, ports, name):
        self.connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for port in ports]
        self.name = name
        self.jar = {}
        self.port = None
        self.tea = 0
        self.counts = dict(requests=0, lost=0, updated=0, renewed=0, sign_ins=0)
        self.times = []

    def ask(self, method, path, **form):
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())}
        body = None
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Sec-Fetch-Site"] = "same-origin"
            body = urlencode(form)
        start = time.monotonic()
        connection = random.choice(self.connections)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        self.port = connection.port
        self.times.append((path if method == "POST" else "read", time.monotonic() - start))
        self.counts["requests"] += 1
        set_names = set()
        for line in answer.headers.get_all("Set-Cookie", []):
            for name, cookie in SimpleCookie(line).items():
                set_names.add(name)
                if cookie["max-age"] == "0":
                    self.jar.pop(name, None)
                else:
                    self.jar[name] = cookie.value
        self.counts["updated"] += NAME in set_names
        self.counts["renewed"] += set_names == {f"{NAME}-seen"}
        return answer.status, text

    def lose(self, why):
        self.counts["lost"] += 1
        print(f"{self.name}: {why}", file=sys.stderr, flush=True)

    def sign_in(self, **form):
        status, _ = self.ask("POST", "/sign-in", name=self.name, **form)
        self.tea = 0
        self.counts["sign_ins"] += 1
        if status != 303 or len(self.jar) != 2:
            self.lose(f"signing in gave {status} and {sorted(self.jar)}")

    def look(self):
        status, text = self.ask("GET", "/")
        basket = re.search(r'<span class="count">(\d+)<', text)
        if status != 200 or self.name not in text:
            self.lose(f"the page ({status}) does not know the visitor")
            self.sign_in()
        elif not basket or int(basket[1]) != self.tea:
            self.lose(f"the basket has {basket and basket[1]} of tea, not {self.tea}")

    def change(self):
        grows = self.tea < 9 and (self.tea < 2 or random.random() < 0.5)
        status, _ = self.ask("POST", "/basket", item="tea", change="add" if grows else "remove")
        self.tea += 1 if grows else -1
        if status != 303:
            self.lose(f"a change gave {status}")


def main():
    port, number, report = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    visitors = [Visitor([port], f"visitor-{index:03}") for index in range(number)]
    for visitor in visitors:
        visitor.sign_in()
    print("signed in", flush=True)
    while not stopped:
        visitor = random.choice(visitors)
        if random.random() < 0.3:
            visitor.change()
        visitor.look()
        time.sleep(0.002)
    for visitor in visitors:
        visitor.look()
    totals = {key: sum(visitor.counts[key] for visitor in visitors) for key in visitors[0].counts}
    times = sorted(seconds for visitor in visitors for _, seconds in visitor.times)
    ranks = [min(len(times) - 1, int(len(times) * part)) for part in (0.5, 0.99, 0.999)]
    totals["latency_ms"] = [round(times[rank] * 1000, 1) for rank in ranks]
    with open(report, "w") as out:
        json.dump(totals, out)
    print(json.dumps(totals))
    sys.exit(1 if totals["lost"] else 0)


if __name__ == "__main__":
    main()
