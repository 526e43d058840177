"""How many bytes pass each hop with its default buffers, found by halving, and how many pass without a hop."""

import caches
from properties import payload_bytes, request

# The default cookies, whose names are longer than those of the other sections.
NAME = "__Host-id"
SEEN = NAME + "-seen"

MOST = 300_000
# Bytes of a private page that is read with the largest session.
PAGE = 1_000_000


def largest(passes, low, high):
    """The largest number that passes; `low` does."""
    if passes(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


def response_block(answer):
    """Bytes of the header block: status line, field lines, the empty line."""
    return len("HTTP/1.1 200 OK\r\n") + sum(len(name) + len(value) + 4 for name, value in answer.fields) + 2


class Hop:
    def __init__(self, port, origin):
        self.port, self.origin, self.fresh = port, origin, iter(range(10**9))

    def ask(self, port, path, fields=()):
        try:
            return request(port, "GET", f"/limit{next(self.fresh)}/{path}", fields)
        except OSError:
            return None
        except Exception:  # noqa: B902: a broken hop may send something that is not HTTP
            return None

    def session(self, fill, port=None):
        """The answer to a sign-in with this much data, if the next request then has the session."""
        port = port or self.port
        answer = self.ask(port, f"enter?fill={fill}", [("X-User", "n")])
        if answer is None or answer.status != 200:
            return None
        cookies = dict(line.split(";")[0].split("=", 1) for line in answer.values("set-cookie"))
        if set(cookies) != {NAME, SEEN}:
            return None
        field = "; ".join(f"{name}={value}" for name, value in cookies.items())
        back = self.ask(port, "private", [("Cookie", field)])
        if back is None or back.status != 200 or back.json.get("kind") != "named":
            return None
        return answer, cookies

    def passes_head(self, bytes):
        answer = self.ask(self.port, f"head/{bytes}")
        return answer is not None and answer.status == 200

    def passes_cookie(self, bytes):
        answer = self.ask(self.port, "asset", [("Cookie", "c=" + "c" * (bytes - 2))])
        return answer is not None and answer.status == 200

    def measure(self):
        fill = largest(lambda fill: self.session(fill) is not None, 0, 4096)
        _, cookies = self.session(fill)
        # The origin's own response for that session.
        block = response_block(self.session(fill, self.origin)[0])
        page = self.ask(self.port, f"body/{PAGE}", [("Cookie", "; ".join(map("=".join, cookies.items())))])
        whole = page is not None and len(page.body) == PAGE and page.body.startswith(b"named")
        head = largest(self.passes_head, 0, MOST)
        overhead = response_block(self.ask(self.origin, "head/0"))
        cookie = largest(self.passes_cookie, 2, MOST)
        return payload_bytes(cookies[NAME]), len(cookies[NAME]), block, head + overhead, cookie, whole


def run(origins, directory):
    origin, process = origins.start("SessionLayer", NAME)
    rows, failures = [], []
    for cache in [None, caches.Cache("nginx", "without cache"), *caches.DEFAULT]:
        if cache is None:
            port, hop, name = origin, None, "origin alone (hyper)"
        else:
            name = cache.name if cache.variant != "default" else f"{cache.program}, cache"
            port, hop = cache.start(directory / f"limits-{len(rows)}", origin)
        *row, whole = Hop(port, origin).measure()
        rows.append((name, *row))
        if not whole:
            failures.append(f"{name}: a page of {PAGE} bytes does not arrive whole")
        if hop:
            hop.stop()
    process.stop()
    heads = ("hop", "session data", "session cookie's value", "header block that brings it",
             "any response header block", "any Cookie field")
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads))
    for row in rows:
        print("| " + " | ".join([row[0], *(f"over {MOST}" if value >= MOST else str(value) for value in row[1:])]) + " |")
    # The crate's own limit is that of browsers; only nginx is known to pass less.
    own = rows[0][1]
    for name, data, *_ in rows[1:]:
        if data != own and not name.startswith("nginx"):
            failures.append(f"{name} passes {data} bytes of session data of {own}")
    return failures
