"""How large sessions may be behind each program: the table of docs/large-sessions.md, found by halving."""

import http.client
import json
import subprocess

import caches
from properties import decode, request

NAME = "__Host-id"
SEEN = NAME + "-seen"
# More than the largest session needs. `largest_cookies` is this too, so that the crate is not the limit.
MOST = 65_536
# Bytes of a private page that is read with the largest session.
BODY = 1_000_000
# Python's client refuses more field lines than this.
http.client._MAXHEADERS = 1000

DEFAULT = "default"
RAISED = {"nginx": "*raised*", "node": f"`{caches.RAISED['node']}`", "varnish": f"`-p {caches.RAISED['varnish']}`",
          **{program: f"`{caches.RAISED[program]}`" for program in ("apache", "haproxy")}}
# Program, variant, and the setting's name on the page. Without a variant the program is the origin itself.
ROWS = [
    ("hyper", None, DEFAULT),
    ("actix-http", None, DEFAULT),
    ("nginx", "without cache", DEFAULT),
    ("nginx", "default", "`proxy_cache`"),
    ("nginx", "12k", "`proxy_buffer_size 12k`"),
    ("nginx", "raised", RAISED["nginx"]),
    ("nginx", "http2", "HTTP/2"),
    ("apache", "default", DEFAULT),
    ("apache", "raised", RAISED["apache"]),
    ("apache", "http2", "HTTP/2"),
    ("haproxy", "default", DEFAULT),
    ("haproxy", "raised", RAISED["haproxy"]),
    ("haproxy", "http2", "HTTP/2"),
    ("varnish", "default", DEFAULT),
    ("varnish", "raised", RAISED["varnish"]),
    ("squid", "default", DEFAULT),
    ("trafficserver", "default", DEFAULT),
    ("node", "default", DEFAULT),
    ("node", "raised", RAISED["node"]),
    ("workerd", "default", DEFAULT),
]


def largest(passes, low, high):
    """The largest number that passes; `low` does."""
    if passes(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


def session_bytes(cookies):
    """The length of the session's data: a token in one cookie is 70 bytes longer, one in chunks 71 and 6 for each tie."""
    chunks = [decode(value) for name, value in cookies.items() if name != SEEN]
    return sum(map(len, chunks)) - 70 - (len(chunks) > 1) - 6 * (len(chunks) - 1)


def pairs(cookies):
    return [f"{name}={value}" for name, value in cookies.items()]


class Answer2:
    """What curl got over HTTP/2."""

    def __init__(self, status, body):
        self.status, self.body = status, body
        self.json = json.loads(body) if status == 200 else {}


class Hop:
    def __init__(self, port, origin, http2=False):
        self.port, self.origin, self.http2, self.fresh = port, origin, http2, iter(range(100_000, 10**9))

    def ask(self, port, path, fields=()):
        path = f"/limit{next(self.fresh)}/{path}"
        if self.http2 and port == self.port:
            return self.ask2(path, fields)
        try:
            return request(port, "GET", path, fields)
        except (OSError, http.client.HTTPException):
            return None

    def ask2(self, path, fields):
        fields = [part for name, value in fields for part in ("-H", f"{name}: {value}")]
        said = subprocess.run(
            ["curl", "-s", "--max-time", "20", "--http2-prior-knowledge", "-w", "%{http_code}", *fields,
             f"http://127.0.0.1:{self.port}{path}"], capture_output=True, text=True)
        return None if said.returncode else Answer2(int(said.stdout[-3:]), said.stdout[:-3])

    def sign_in(self, fill, port):
        """All cookies of a sign-in with this much data."""
        answer = self.ask(port, f"enter?fill={fill}", [("X-User", "n")])
        if answer is None or answer.status != 200:
            return None
        return dict(line.split(";")[0].split("=", 1) for line in answer.values("set-cookie"))

    def has_session(self, cookies, port):
        cookies = pairs(cookies)
        # Clients of HTTP/2 send each cookie in a field of its own.
        cookies = cookies if self.http2 and port == self.port else ["; ".join(cookies)]
        answer = self.ask(port, "private", [("Cookie", field) for field in cookies])
        return answer is not None and answer.status == 200 and answer.json["kind"] == "named"

    def brings(self, fill):
        """Whether a sign-in passes this hop with all its cookies."""
        cookies = self.sign_in(fill, self.port)
        return cookies is not None and self.has_session(cookies, self.origin)

    def brings_back(self, fill):
        """Whether a request with the cookies passes this hop."""
        cookies = self.sign_in(fill, self.origin)
        return cookies is not None and self.has_session(cookies, self.port)

    def head(self, bytes):
        return self.ask(self.port, f"head/{bytes}")

    def cookie(self, bytes):
        lines = [bytes]
        if self.http2:
            # As long as the largest cookies of browsers, and joined by `; `.
            lines = [min(4096, bytes - start) for start in range(0, bytes, 4098)]
        return self.ask(self.port, "asset", [("Cookie", ("c=" + "c" * line)[:line]) for line in lines if line > 0])

    def pages(self):
        """How many pages the application has made."""
        return int(self.ask(self.origin, "asset").json["nonce"].split("-")[1])

    def refusal(self, ask, bytes, is_seen):
        """How a message that is a little larger is refused, and whether the application sees what it should."""
        if bytes == MOST:
            return "", []
        before = self.pages()
        answer = ask(bytes + 100)
        seen = self.pages() - before - 1
        wrong = [] if seen == is_seen else [f"the application saw {seen} requests instead of {is_seen}"]
        return "closed" if answer is None else str(answer.status), wrong


def passed(answer):
    return answer is not None and answer.status == 200


def measure(hop, own):
    """One row of the table; `own` is the largest session of the crate."""
    failures = []
    request_bytes = largest(lambda bytes: passed(hop.cookie(bytes)), 2, MOST)
    request_fill = largest(hop.brings_back, 0, own)
    request_status, wrong = hop.refusal(hop.cookie, request_bytes, 0)
    failures += wrong
    back = [request_bytes, session_bytes(hop.sign_in(request_fill, hop.origin)), request_status]
    if hop.http2:
        return ["", "", "", *back], failures
    response_fill = largest(hop.brings, 0, own)
    block = largest(lambda bytes: passed(hop.head(bytes)), 0, MOST)
    response_status, wrong = hop.refusal(hop.head, block, 1)
    failures += wrong
    overhead = sum(len(name) + len(value) + 4 for name, value in hop.ask(hop.origin, "head/0").fields) + 19
    brought = [min(block + overhead, MOST), session_bytes(hop.sign_in(response_fill, hop.origin)), response_status]
    # Both directions at once, and with a whole page.
    cookies = hop.sign_in(min(response_fill, request_fill), hop.port)
    if not hop.has_session(cookies, hop.port):
        failures.append("the largest session does not pass in both directions")
    # Node counts the address, too.
    cookies = hop.sign_in(min(response_fill, request_fill) - 100, hop.port)
    page = hop.ask(hop.port, f"body/{BODY}", [("Cookie", "; ".join(pairs(cookies)))])
    if page is None or len(page.body) != BODY or not page.body.startswith(b"named"):
        failures.append(f"a page of {BODY} bytes does not arrive whole")
    return [*brought, *back], failures


def cells(program, setting, values):
    """The row as the page has it: numbers are rounded down, so that each of them passes."""
    def number(value):
        return "" if value == "" else f"over {MOST - 1:,}" if value == MOST else f"{value // 10 * 10:,}"

    header, session, above, line, back, refused = values
    return [f"{program} {caches.version(program)}", setting, number(header), number(session), above, number(line),
            number(back), refused]


def differences(measured, page):
    """Where the page is wrong. With another version of the program more may pass, and refusals may differ."""
    if page is None:
        return [f"{measured[0]}, {measured[1]}: not on the page"]

    def number(cell):
        return MOST if cell.startswith("over") else int(cell.replace(",", "") or 0)

    is_same = measured[0] == page[0]
    less = any(number(measured[column]) < number(page[column]) for column in (2, 3, 5, 6))
    return [f"measured: {measured}", f"the page: {page}"] if less or is_same and measured != page else []


def recovery(directory, origin):
    """nginx removes cookies that it does not let through, and the visitor is a guest again."""
    port, process = caches.Cache("nginx", "recovery").start(directory / "limits-recovery", origin)
    hop, failures = Hop(port, origin), []
    cookies = hop.sign_in(12_000, origin)
    refused = hop.ask(port, "private", [("Cookie", "; ".join(pairs(cookies)))])
    removed = {line.split("=")[0] for line in refused.values("set-cookie") if "Max-Age=0; Path=/; Secure" in line}
    left = {name: value for name, value in cookies.items() if name not in removed}
    guest = hop.ask(port, "private", [("Cookie", "; ".join(pairs(left)))] if left else [])
    if (refused.status, list(left), guest.status, guest.json.get("kind")) != (431, [], 200, "guest"):
        failures.append(f"nginx does not free the visitor: {refused.status}, {list(left)} stay, then {guest.body!r}")
    process.stop()
    return failures


def run(origins, directory):
    """Prints the table, and returns in what it differs from the page."""
    processes, ports = [], {}
    for kind, program, bytes in (("hyper", "SessionLayer", MOST), ("actix-http", "actix", MOST), ("7500", "SessionLayer", 7500)):
        ports[kind], process = origins.start(program, str(bytes))
        processes.append(process)
    alone, by_default = Hop(ports["hyper"], ports["hyper"]), Hop(ports["7500"], ports["7500"])
    own = largest(lambda fill: alone.sign_in(fill, alone.port) is not None, 0, 20_000)
    usual = largest(lambda fill: by_default.sign_in(fill, by_default.port) is not None, 0, own)
    whole = session_bytes(alone.sign_in(own, alone.port))
    usual_cookies = by_default.sign_in(usual, by_default.port)
    usual = session_bytes(usual_cookies)
    lines = [len("; ".join(pairs(cookies))) for cookies in (alone.sign_in(own, alone.port), usual_cookies)]

    page = [[cell.strip() for cell in line.strip("|").split("|")] for line in caches.PAGE.splitlines() if line.startswith("| ")]
    page = {(row[0].split()[0], row[1]): row for row in page if len(row) == 8}
    rows, failures = [], []
    for number, (program, variant, setting) in enumerate(ROWS):
        origin, process = ports.get(program, ports["hyper"]), None
        port = origin
        if variant:
            port, process = caches.Cache(program, variant).start(directory / f"limits-{number}", origin)
        values, wrong = measure(Hop(port, origin, variant == "http2"), own)
        row = cells(program, setting, values)
        rows.append(row)
        failures += [f"{program}, {setting}: {said}" for said in wrong]
        failures += differences(row, page.get((program, setting)))
        # A session that keeps the default of `largest_cookies` needs one line of nginx and nothing else.
        if values[4] < usual:
            failures.append(f"{program}, {setting}: does not pass requests with {usual} bytes")
        is_small = program == "nginx" and variant in ("default", "without cache")
        if not is_small and values[1] != "" and values[1] < usual:
            failures.append(f"{program}, {setting}: does not pass responses with {usual} bytes")
        if process:
            process.stop()
    failures += recovery(directory, ports["hyper"])
    for process in processes:
        process.stop()

    heads = ("program", "setting", "header block of a response", "session in it", "above",
             "`Cookie` field of a request", "session in it", "above")
    for row in (heads, ["---"] * len(heads), *rows):
        print("| " + " | ".join(row) + " |")
    print(f"In four cookies {whole:,} bytes, whose `Cookie` field has {lines[0]:,}; with the default of `largest_cookies` "
          f"{usual:,}, and {lines[1]:,}.")
    failures += [f"the page does not say {bytes:,}" for bytes in (whole, usual, *lines) if f"{bytes:,}" not in caches.PAGE]
    return failures
