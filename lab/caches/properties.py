"""Clients, the checks of every response to them, and the stories that they walk through."""

import base64
import gzip
import http.client
import json
import random
import struct
import threading

NAME = "e2e-dev"
SEEN = NAME + "-seen"

# The columns of the table.
PROPERTIES = ["asset", "leak", "stored", "targeted", "writes", "cookies", "greeting", "304", "garbage", "vary", "status"]

TARGETED = ("x-accel-expires", "surrogate-control", "cdn-cache-control")


def decode(token):
    """The bytes of a token; none for the invented text of a mutation."""
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""


def claimed_expiry(token):
    """The expiry in a token's unencrypted head (SPEC.md, Session token and Activity token)."""
    head = decode(token)[5:9]
    return struct.unpack(">I", head)[0] if len(head) == 4 else 0


def payload_bytes(token):
    """The length of the session's data: a session token is 70 bytes longer."""
    return len(decode(token)) - 70


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.fields = [(name.lower(), value) for name, value in response.getheaders()]
        self.body = response.read()
        if self.values("content-encoding") == ["gzip"]:
            self.body = gzip.decompress(self.body)

    def values(self, name):
        return [value for other, value in self.fields if other == name]

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


def request(port, method, path, fields=()):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in fields:
            connection.putheader(name, value)
        if method == "POST":
            connection.putheader("Content-Length", "0")
        connection.endheaders()
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Board:
    """The checks and the violations, for one cache."""

    def __init__(self):
        self.lock = threading.Lock()
        self.checked = dict.fromkeys(PROPERTIES, 0)
        self.red = {name: [] for name in PROPERTIES}
        self.hits = {"asset": 0, "asset with cookies": 0, "guest greeting": 0}
        self.requests = 0

    def check(self, name, holds, message):
        with self.lock:
            self.checked[name] += 1
            if not holds:
                self.red[name].append(message)

    def reds(self):
        return {name for name in PROPERTIES if self.red[name]}


class World:
    """One cache in front of one origin, and everything that was seen through it."""

    def __init__(self, cache, port, origin, layered=False):
        self.cache, self.port, self.origin = cache, port, origin
        # Whether the origin has other layers, which compress and so on.
        self.layered = layered
        self.board = Board()
        self.lock = threading.Lock()
        self.bodies = {}  # nonce -> the client who saw it first
        self.cookies = {}  # value of a Set-Cookie -> client
        self.now = self.counters()["now"]

    def counters(self):
        return request(self.origin, "GET", "/counters").json

    def advance(self, seconds):
        self.now = request(self.origin, "POST", f"/clock?advance={seconds}").json["now"]


class Client:
    """A browser: a jar that takes and sends cookies, and a memory for one ETag."""

    def __init__(self, world, name, junk=None):
        self.world, self.name, self.junk = world, name, junk
        self.jar = {}
        self.user, self.basket, self.signed_in = None, None, 0
        self.tag = None
        self.slowly = False  # whether the origin is to take its time
        self.writes = False  # whether this visit is a GET that writes

    def cookie(self):
        if self.junk is not None:
            return self.junk
        return "; ".join(f"{name}={value}" for name, value in self.jar.items()).encode()

    def expected(self):
        """The origin's own answer at this time."""
        if self.junk is not None:
            return "rejected"
        if NAME not in self.jar:
            return "guest"
        alive = SEEN in self.jar and min(map(claimed_expiry, self.jar.values())) > self.world.now
        return "named" if alive else "rejected"

    def send(self, run, route, method="GET", fields=()):
        fields = list(fields)
        if self.slowly:
            fields.append(("X-Delay", "1"))
        if self.world.layered:
            fields += [("Accept-Encoding", "gzip"), ("Origin", "https://shop.example")]
        cookie = self.cookie()
        if cookie:
            fields.append(("Cookie", cookie))
        return request(self.world.port, method, f"/{run}/{route}", fields)

    # Every response is checked against all properties that apply to it.

    def get(self, run, route):
        fields = []
        if route == "etag" and self.tag:
            fields.append(("If-None-Match", self.tag[0]))
        self.judge(run, route, self.send(run, route, fields=fields), "GET")

    def head(self, run, route):
        """A HEAD request: some caches turn it into a GET and store the answer."""
        answer = self.send(run, route, "HEAD")
        where = f"{self.name} HEAD /{run}/{route}"
        self.writes = False
        self.world.board.check("status", answer.status == 200, f"{where}: status {answer.status}")
        if route != "asset":
            self.judge_vary(route, answer, where)
        self.judge_cookies(route, answer, self.expected(), where)

    def enter(self, run, method="GET"):
        self.signed_in += 1
        self.user, self.basket = f"{self.name}.{run}.{self.signed_in}", 0
        self.write(run, "enter", method, [("X-User", self.user)])

    def change(self, run, method="GET"):
        if self.expected() == "named":
            self.basket += 1
        self.write(run, "change", method)

    def leave(self, run, method="GET"):
        self.write(run, "leave", method)

    def write(self, run, route, method, fields=()):
        """A write by GET that a cache answered did not happen; a POST makes up for it."""
        replayed = self.judge(run, route, self.send(run, route, method, fields), method)
        if replayed and method == "GET":
            if route == "enter":
                # A replayed answer may carry another visitor's session, and a sign-in with it would end that session.
                self.jar.clear()
            self.write(run, route, "POST", fields)

    def check(self, name, holds, message):
        """Failures of a write by GET have a column of their own."""
        own = self.writes and name in ("leak", "stored", "cookies", "greeting", "garbage")
        self.world.board.check("writes" if own else name, holds, message)

    def judge(self, run, route, answer, method):
        """Checks a response; tells whether it was served before."""
        board, world = self.world.board, self.world
        expected = {"enter": "named", "leave": "guest"}.get(route, self.expected())
        where = f"{self.name} {method} /{run}/{route} as {expected}"
        self.writes = method == "GET" and route in ("enter", "change", "leave")
        with board.lock:
            board.requests += 1
        answered_304 = route == "etag" and self.tag is not None and answer.status == 304
        board.check("status", answer.status == 200 or answered_304, f"{where}: status {answer.status}")
        if answer.status not in (200, 304):
            return False
        page = answer.json if answer.status == 200 else {}
        kind, nonce = page.get("kind"), page.get("nonce")
        # HAProxy 2.6 answers with a page of its own and status 200 where `checkcache` blocks.
        board.check("status", nonce is not None or answered_304, f"{where}: not the origin's page: {answer.body[:60]}")
        if nonce is None and not answered_304:
            return False
        with world.lock:
            first = world.bodies.setdefault(nonce, self.name) if nonce else None
            seen = nonce is not None and nonce in self.seen_nonces()
            self.seen_nonces().add(nonce)
        if route == "asset":
            self.judge_asset(answer, first, seen, where)
        else:
            self.judge_page(route, answer, page, expected, first, seen, where)
        self.judge_cookies(route, answer, expected, where)
        return seen

    def seen_nonces(self):
        return self.world.__dict__.setdefault("nonces", set())

    def judge_asset(self, answer, first, seen, where):
        board = self.world.board
        vary = {member.strip().lower() for member in ",".join(answer.values("vary")).split(",")}
        wanted = {"accept-encoding", "origin"} if self.world.layered else set()
        board.check("asset", vary - {""} <= wanted, f"{where}: Vary {answer.values('vary')}")
        board.check("asset", not answer.values("set-cookie"), f"{where}: Set-Cookie on the asset")
        with board.lock:
            board.hits["asset"] += seen
            board.hits["asset with cookies"] += seen and bool(self.cookie())

    def judge_page(self, route, answer, page, expected, first, seen, where):
        board = self.world.board
        stored = "targeted" if route == "targeted" else "stored"
        kind, name = page.get("kind"), page.get("name")
        if answer.status == 304:
            tag, known, of = self.tag
            if expected != "named":
                right, column = known != "named", "stored"
            else:
                right, column = of == (self.user, self.basket), "greeting" if known != "named" else "stored"
            self.check(column, right, f"{where}: 304 for what was {known} {of}")
            self.check("304", not answer.values("set-cookie"), f"{where}: 304 with Set-Cookie")
        else:
            if name is not None:
                self.check("leak", name.split(".")[0] == self.name, f"{where}: got the page of {name}")
            if kind in ("named", "rejected") and first != self.name:
                self.check("leak", False, f"{where}: got a body that {first} got first ({name or kind})")
            if expected == "named":
                self.check("greeting", kind != "guest", f"{where}: got the guest's page")
                self.check("garbage", kind != "rejected", f"{where}: got the page of a bad cookie")
                self.check(stored, not (kind == "named" and seen), f"{where}: private page served again")
                fresh = kind != "named" or (name, page.get("basket")) == (self.user, self.basket)
                self.check(stored, fresh, f"{where}: got {name} {page.get('basket')} instead of {self.basket}")
            elif expected == "guest":
                self.check("stored", kind != "named", f"{where}: got the named page of {name}")
                self.check("garbage", kind != "rejected", f"{where}: got the page of a bad cookie")
                if route == "greeting" and kind == "guest":
                    with board.lock:
                        board.hits["guest greeting"] += seen
            else:
                self.check("garbage", kind == "rejected" and not seen,
                            f"{where}: got {kind} {name or ''}{' again' if seen else ''}")
                self.check("garbage", not answer.values("set-cookie") or route == "leave",
                            f"{where}: Set-Cookie for a bad cookie")
            if route == "etag":
                tags = answer.values("etag")
                self.tag = (tags[0], kind, (name, page.get("basket"))) if tags else None
        if route == "targeted" and expected != "guest":
            left = [field for field in TARGETED if answer.values(field)]
            self.check("targeted", not left, f"{where}: {left} went out")
        self.judge_vary(route, answer, where)

    def judge_vary(self, route, answer, where):
        vary = answer.values("vary")
        members = {member.strip().lower() for member in ",".join(vary).split(",")}
        wanted = {"cookie", "accept-encoding", "accept-language"} if route == "vary" else {"cookie"}
        self.check("vary", len(vary) == 1 and wanted <= members, f"{where}: Vary {vary}")

    def judge_cookies(self, route, answer, expected, where):
        world = self.world
        values, removed = {}, set()
        for line in answer.values("set-cookie"):
            pair, _, attributes = line.partition(";")
            name, _, value = pair.partition("=")
            if value and "max-age=0" not in attributes.lower():
                values[name] = value
            else:
                removed.add(name)
        for name, value in values.items():
            with world.lock:
                again = value in world.cookies
                owner = world.cookies.setdefault(value, self.name)
            self.check("cookies", owner == self.name, f"{where}: Set-Cookie that {owner} got first")
            self.check("cookies", not (again and name == NAME), f"{where}: session cookie served again")
        if route == "enter":
            self.check("cookies", set(values) == {NAME, SEEN}, f"{where}: sets {sorted(values)}")
        elif route == "leave":
            self.check("cookies", removed == {NAME, SEEN} and not values, f"{where}: removes {sorted(removed)}")
        elif expected == "named" and route != "asset":
            allowed = {NAME, SEEN} if route == "change" else {SEEN}
            self.check("cookies", set(values) <= allowed and not removed, f"{where}: sets {sorted(values)}")
            if route == "change":
                self.check("cookies", NAME in values, f"{where}: sets {sorted(values)}")
        else:
            self.check("cookies", not values and not removed, f"{where}: Set-Cookie where none belongs")
        if values.get(NAME) or removed:
            control = ", ".join(answer.values("cache-control"))
            self.check("cookies", "no-store" in control, f"{where}: Set-Cookie with Cache-Control {control!r}")
        for name, value in values.items():
            if name in (NAME, SEEN):
                self.jar[name] = value
        for name in removed:
            self.jar.pop(name, None)


def junk_of(client):
    """Cookies that look like the client's and do not open; a neighbour that is not ASCII."""
    token, seen = client.jar.get(NAME, "A" * 200), client.jar.get(SEEN, "A" * 44)
    flipped = ("B" if token[60:61] != "B" else "C").join((token[:60], token[61:]))
    return [
        f"{NAME}=x".encode(),
        f"{NAME}=".encode(),
        f"{NAME}={'A' * 150}; {SEEN}={seen}".encode(),
        f"{NAME}={token[:-4]}; {SEEN}={seen}".encode(),
        f"other=\xff\xfe; {NAME}={flipped}; {SEEN}={seen}".encode("latin-1"),
        f"{NAME}={token}; {SEEN}=x".encode(),
        f"{NAME}={seen}; {SEEN}={token}".encode(),
    ]


def story(world, run):
    """Walks through every property once, in the order that is worst for a cache."""
    board = world.board
    guest, anna, boris = Client(world, "guest"), Client(world, "anna"), Client(world, "boris")

    # Guests first, so that the cache has pages to poison; then two visitors sign in at one address, without cookies.
    for route in ("greeting", "greeting", "private", "targeted", "vary", "vary", "etag"):
        guest.get(run, route)
    anna.enter(run)
    boris.enter(run)
    guest.get(run, "greeting")
    for route in ("greeting", "private", "targeted", "vary", "etag"):
        for client in (anna, boris, anna, guest, boris):
            client.get(run, route)

    # All at once, at addresses that no client has visited.
    for number, route in enumerate(("greeting", "private", "targeted", "vary", "etag", "asset")):
        mallory = Client(world, "mallory", junk_of(anna)[number])
        together([anna, boris, guest, mallory], f"{run}-joined", route)

    # The asset, at addresses that no client has visited: the first request carries a session, the next a broken one.
    for first in (anna, Client(world, "mallory", junk_of(anna)[0]), guest):
        place = f"{run}-{first.name}"
        before = world.counters()
        broken = [Client(world, "mallory", junk) for junk in junk_of(anna)]
        for client in (first, guest, anna, boris, *broken, guest, anna):
            client.get(place, "asset")
        board.check("asset", world.counters() == before, f"/{place}/asset: cryptography at the origin")

    before = world.counters()
    request(world.origin, "GET", f"/{run}/private", [("Cookie", anna.cookie())])
    board.check("asset", world.counters() != before, "the origin counts no cryptography where there is some")

    # Cookies that do not open.
    for junk in junk_of(boris):
        mallory = Client(world, "mallory", junk)
        for route in ("greeting", "private", "targeted", "etag"):
            for client in (mallory, guest, mallory, boris):
                client.get(run, route)

    # A renewal is due: the origin's 304 does not bring it, the next page does. Some caches ask the origin without
    # `If-None-Match`; then it may come earlier.
    anna.get(run, "etag")
    world.advance(400)
    before = anna.jar.get(SEEN)
    cookie = ("Cookie", anna.cookie())
    tag = request(world.origin, "GET", f"/{run}/etag", [cookie]).values("etag")[0]
    answer = request(world.origin, "GET", f"/{run}/etag", [cookie, ("If-None-Match", tag)])
    board.check("304", answer.status == 304, f"/{run}/etag at the origin: {answer.status} where 304 was due")
    board.check("304", not answer.values("set-cookie"), f"/{run}/etag at the origin: 304 with Set-Cookie")
    for client in (anna, guest, anna):
        client.get(run, "etag")
    anna.get(run, "private")
    board.check("cookies", anna.jar.get(SEEN) != before, f"anna GET /{run}/private: no renewal")
    for client in (guest, boris, anna):
        client.get(run, "private")

    # Writing.
    for client, method in ((anna, "POST"), (boris, "GET"), (anna, "GET"), (anna, "GET")):
        client.change(run, method)
        for route in ("private", "greeting", "vary", "etag"):
            client.get(run, route)
            guest.get(run, route)

    # Signing out at one address, while another is signed in.
    boris.leave(run)
    for client in (boris, guest, anna, boris):
        client.get(run, "greeting")
        client.get(run, "private")
    guest.leave(run)
    boris.enter(run, "POST")
    boris.get(run, "greeting")

    # An expired session, and a new one after it.
    world.advance(2000)
    for route in ("greeting", "private", "targeted", "greeting"):
        for client in (anna, guest, boris):
            client.get(run, route)
    anna.enter(run)
    for client in (anna, boris, guest):
        client.get(run, "greeting")
    anna.leave(run, "POST")
    for client in (anna, guest):
        client.get(run, "greeting")
        client.get(run, "private")


PAGES = ("greeting", "greeting", "private", "targeted", "vary", "etag", "asset")


def interleaving(world, seed, steps):
    """Two visitors, and sometimes a third with a bad cookie, in an order that the seed determines."""
    dice = random.Random(seed)
    run = f"s{seed}"
    clients = [Client(world, "anna"), Client(world, "boris")]
    for _ in range(steps):
        client = dice.choice(clients)
        step = dice.random()
        method = dice.choice(("GET", "POST"))
        if step < 0.54:
            client.get(run, dice.choice(PAGES))
        elif step < 0.58:
            client.head(run, dice.choice(PAGES))
        elif step < 0.68:
            client.enter(run, method)
        elif step < 0.76:
            client.change(run, method)
        elif step < 0.81:
            client.leave(run, method)
        elif step < 0.88:
            Client(world, "mallory", dice.choice(junk_of(client))).get(run, dice.choice(PAGES))
        elif step < 0.93:
            world.advance(dice.choice((30, 200, 200, 700, 1900)))
        else:
            together(clients, run, dice.choice(PAGES))


def together(clients, run, route):
    """All at the same time, at a slow origin: caches join requests that look alike into one."""
    threads = [threading.Thread(target=client.get, args=(run, route)) for client in clients]
    for client in clients:
        client.slowly = True
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.slowly = False


def hits(world):
    """Checks that the cache stored responses: a run without any HIT would prove nothing."""
    board, cache = world.board, world.cache
    found = board.hits
    board.check("asset", found["asset"] > 0, "the asset was never a HIT")
    if cache.cookie_hit:
        board.check("asset", found["asset with cookies"] > 0, "the asset was never a HIT for a request with cookies")
    if cache.vary_store:
        board.check("greeting", found["guest greeting"] > 0, "the greeting was never a HIT among guests")
