"""curl as a second user agent, with its own cookie engine; and HTTP/2, whose clients split the Cookie field."""

import json
import re
import subprocess

from properties import NAME, SEEN


def run(origins, directory):
    failures = []
    port, process = origins.start()
    jar = directory / "curl.jar"
    base = f"http://127.0.0.1:{port}/curl"

    def curl(*arguments):
        said = subprocess.run(["curl", "-sS", "--max-time", "10", *arguments], capture_output=True, text=True)
        if said.returncode:
            failures.append(f"curl: {said.stderr.strip()}")
        return said.stdout

    def page(*arguments):
        try:
            return json.loads(curl(*arguments))
        except ValueError:
            return {}

    def walk(label, *options):
        def expect(step, found, wanted):
            print(f"{label}: {step}: {'ok' if found == wanted else f'{found!r} instead of {wanted!r}'}")
            if found != wanted:
                failures.append(f"{label}: {step}")

        def visit(route, *arguments):
            return page(*options, "-b", str(jar), "-c", str(jar), *arguments, f"{base}/{route}")

        def names():
            lines = [line.split("\t") for line in jar.read_text().splitlines()]
            return sorted(line[5] for line in lines if len(line) == 7)

        jar.unlink(missing_ok=True)
        expect("guest", visit("greeting").get("kind"), "guest")
        expect("sign in", visit("enter", "-X", "POST", "-H", "X-User: curl").get("name"), "curl")
        expect("jar", names(), sorted((NAME, SEEN)))
        expect("read", visit("private").get("name"), "curl")
        expect("change", visit("change", "-X", "POST").get("basket"), 1)
        expect("read the change", visit("greeting").get("basket"), 1)
        curl("-X", "POST", f"http://127.0.0.1:{port}/clock?advance=400")
        old = jar.read_text()
        expect("read after a while", visit("private").get("kind"), "named")
        expect("the activity cookie is new", jar.read_text() != old, True)
        expect("sign out", visit("leave", "-X", "POST").get("kind"), "guest")
        # curl 7.88 reads the jar's file again before it writes it. So it keeps all but the last of the cookies that one
        # response removes, whatever their names. One cookie alone is not a session.
        expect("no session left in the jar", len(names()) < 2, True)
        expect("not signed in", visit("private").get("kind") in ("guest", "rejected"), True)
        # Without a file in between it keeps none. (Over HTTP/2 curl 7.88 does not reuse a connection.)
        if options == ("--http1.1",):
            one = ["-b", "", "-sS", "--max-time", "10", *options]
            said = curl(*one, "-H", "X-User: curl", f"{base}/enter", "--next", *one, f"{base}/private",
                        "--next", *one, f"{base}/leave", "--next", *one, f"{base}/private")
            kinds = [json.loads(page)["kind"] for page in said.replace("}{", "}\n{").splitlines()]
            expect("in one process", kinds, ["named", "named", "guest", "guest"])

    walk("curl, HTTP/1.1", "--http1.1")
    walk("curl, HTTP/2", "--http2-prior-knowledge")

    # Two cookie fields in one HTTP/2 request.
    head = curl("-D", "-", "-o", "/dev/null", "-X", "POST", "-H", "X-User: split", f"{base}/enter")
    cookies = dict(re.findall(r"(?im)^set-cookie: ([^=]+)=([^;]+)", head))
    fields = [f"Cookie: {name}={value}" for name, value in cookies.items()]
    for label, sent, wanted in (
        ("both", fields, (len(fields), "named")),
        ("in the other order, with a neighbour", [*reversed(fields), "Cookie: other=1"], (3, "named")),
        ("without the activity cookie", fields[:1], (1, "rejected")),
    ):
        arguments = [part for field in sent for part in ("-H", field)]
        found = page("--http2-prior-knowledge", *arguments, f"{base}/private")
        found = (found.get("cookie_fields"), found.get("kind"))
        print(f"HTTP/2, split cookie fields, {label}: {'ok' if found == wanted else f'{found} instead of {wanted}'}")
        if found != wanted:
            failures.append(f"HTTP/2, split cookie fields, {label}")
    process.stop()
    return failures
