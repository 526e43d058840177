"""A proxy between cache and origin that undoes one rule of the crate at a time, or none."""

import json
import socket
import socketserver
import threading


class Message:
    """A request or a response: first line, header fields in order, body."""

    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        self.first, *lines = head.decode("latin-1").split("\r\n")
        self.fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]

    def values(self, name):
        return [value for other, value in self.fields if other.lower() == name]

    def value(self, name):
        return ", ".join(self.values(name))

    def remove(self, name):
        self.fields = [field for field in self.fields if field[0].lower() != name]

    def replace(self, name, *values):
        self.remove(name)
        self.fields += [(name, value) for value in values]

    def write(self):
        lines = [self.first] + [f"{name}: {value}" for name, value in self.fields]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body

    @property
    def route(self):
        return self.first.split(" ")[1].split("?")[0].split("/")[2:][0]

    @property
    def status(self):
        return int(self.first.split(" ")[1])

    @property
    def kind(self):
        try:
            return json.loads(self.body).get("kind")
        except ValueError:
            return None


PUBLIC = "public, max-age=60"


def strip_private(request, response):
    """The application's own `Cache-Control` stays."""
    if response.value("cache-control").startswith("private") and "no-store" not in response.value("cache-control"):
        response.remove("cache-control")
        if request.route not in ("private", "targeted"):
            response.replace("cache-control", PUBLIC)


def strip_private_for_garbage(request, response):
    """A cookie that does not open is treated like a missing one."""
    if response.kind == "rejected":
        strip_private(request, response)


def strip_no_store(request, response):
    """The same where a session cookie is set."""
    if "no-store" in response.value("cache-control"):
        response.replace("cache-control", PUBLIC)


def private_alone(request, response):
    """`private` without `no-store` where a session cookie is set."""
    if "no-store" in response.value("cache-control"):
        response.replace("cache-control", "private")


count = iter(range(10**9))


def cookie_on_untouched(request, response):
    if request.route == "asset":
        response.fields.append(("set-cookie", f"e2e-dev-seen=untouched{next(count)}; Path=/"))


def cookie_on_304(request, response):
    if response.status == 304:
        response.fields.append(("set-cookie", f"e2e-dev-seen=notmodified{next(count)}; Path=/"))


def no_removal(request, response):
    """Signing out leaves the cookies where they are."""
    if request.route == "leave":
        response.remove("set-cookie")


def keep(field, value):
    """The field stays where the application put it, at the beginning."""
    def mutation(request, response):
        if request.route == "targeted":
            response.remove(field)
            response.fields.insert(0, (field, value))
    return mutation


def split_vary(request, response):
    """The application's `Vary` lines stay beside the crate's own."""
    members = [member.strip() for member in response.value("vary").split(",") if member.strip()]
    if len(members) > 1:
        response.replace("vary", *sorted(members, key=lambda member: member.lower() != "cookie"))


def strip_vary(request, response):
    members = [member.strip() for member in response.value("vary").split(",")]
    kept = ", ".join(member for member in members if member.lower() not in ("", "cookie"))
    response.replace("vary", *([kept] if kept else []))


def vary_on_untouched(request, response):
    if request.route == "asset":
        response.replace("vary", "Cookie")


MUTATIONS = {
    "private taken off pages": strip_private,
    "private taken off, cookie did not open": strip_private_for_garbage,
    "private, no-store taken off": strip_no_store,
    "no-store taken off": private_alone,
    "Set-Cookie on an untouched response": cookie_on_untouched,
    "Set-Cookie on a 304": cookie_on_304,
    "Set-Cookie taken off the sign-out": no_removal,
    "X-Accel-Expires kept": keep("x-accel-expires", "60"),
    "Surrogate-Control kept": keep("surrogate-control", "max-age=60"),
    "CDN-Cache-Control kept": keep("cdn-cache-control", "max-age=60"),
    "Vary in several lines": split_vary,
    "Vary: Cookie taken off": strip_vary,
    "Vary: Cookie on an untouched response": vary_on_untouched,
}


def read_message(stream):
    """One request with its body."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        data += line
    length = Message(data).value("content-length")
    return data + stream.read(int(length or 0))


class Shim:
    """Listens on `port` and forwards to the origin, with `mutation` applied to every response."""

    def __init__(self, origin):
        shim = self
        self.mutation = None

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                data = read_message(self.rfile)
                if data is None:
                    return
                request = Message(data)
                request.replace("connection", "close")
                with socket.create_connection(("127.0.0.1", origin), 10) as upstream:
                    upstream.sendall(request.write())
                    answer = b"".join(iter(lambda: upstream.recv(65536), b""))
                response = Message(answer)
                response.replace("connection", "close")
                if shim.mutation:
                    shim.mutation(request, response)
                self.wfile.write(response.write())

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
