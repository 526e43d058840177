"""The caches: their configurations, and how each is started and ended."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time

ROOT = os.getuid() == 0
HERE = pathlib.Path(__file__).parent
WORKERD = HERE / "node_modules/.bin/workerd"
handed_out = set()


def free_port():
    """A port of the loopback that is free and that was not returned before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in handed_out:
            handed_out.add(port)
            return port


class Process:
    """A program of this run, in a process group of its own; only that group is ended."""

    running = []

    def __init__(self, command, log, **options):
        self.log = log
        self.command = command
        with open(log, "wb") as out:
            options.setdefault("stdout", out)
            self.child = subprocess.Popen(
                command, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, **options)
        Process.running.append(self)

    def wait_for(self, port):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        text = pathlib.Path(self.log).read_text(errors="replace")[-2000:]
        raise SystemExit(f"{self.command[0]} did not start:\n{text}")

    def stop(self):
        if self not in Process.running:
            return
        Process.running.remove(self)
        for kind, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
            try:
                os.killpg(self.child.pid, kind)
            except ProcessLookupError:
                break
            try:
                self.child.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        # Workers that are still running after their parent ended.
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


class Cache:
    """One cache in one configuration.

    `cookie_hit`: it looks up requests that carry cookies, so that the asset is a HIT for everyone.
    `vary_store`: it stores responses with `Vary: Cookie`, so that the greeting is a HIT among guests.
    `broken`: properties that this configuration breaks whatever the origin sends, each with the reason.
    `perhaps`: those that follow from these in some orders of events only.
    """

    def __init__(self, program, variant="default", cookie_hit=True, vary_store=True, broken=None, perhaps=()):
        self.program, self.variant = program, variant
        self.cookie_hit, self.vary_store = cookie_hit, vary_store
        self.broken, self.perhaps = broken or {}, perhaps
        self.name = program if variant == "default" else f"{program} {variant}"

    def start(self, directory, backend):
        """Starts it in front of the backend's port; returns its own port and its process."""
        directory.mkdir(parents=True)
        directory.chmod(0o777)
        port = free_port()
        command = globals()[self.program](directory, port, backend, self.variant)
        process = Process(command, directory / "log")
        process.wait_for(port)
        return port, process


PAGE = (HERE / "../../docs/large-sessions.md").read_text()
# The page's lines of nginx: for the default of `largest_cookies`, for the largest session, and for visitors whose cookies
# are too large already.
NGINX = dict(zip(("12k", "raised", "recovery"), re.findall(r"(?s)```nginx\n(.*?)```", PAGE), strict=True))
# One setting of each other program that lets the largest session pass.
RAISED = {
    "varnish": "http_req_hdr_len=32k",
    "apache": "LimitRequestFieldSize 32768",
    "haproxy": "tune.bufsize 32768",
    "node": "--max-http-header-size=32768",
}


def nginx(directory, port, backend, variant):
    server = NGINX.get(variant, "")
    protocol = " http2" if variant == "http2" else ""
    rules = {
        "default": "proxy_cache e2e;",
        **dict.fromkeys(("without cache", "http2", *NGINX), ""),
        "joined": "proxy_cache e2e; proxy_cache_lock on;",
        "no set-cookie": "proxy_cache e2e; proxy_ignore_headers Set-Cookie; proxy_cache_valid any 60s;",
        "fixed": "proxy_cache e2e; proxy_ignore_headers Set-Cookie Cache-Control Expires X-Accel-Expires;"
                 " proxy_cache_valid any 60s;",
        "fixed, no vary": "proxy_cache e2e; proxy_ignore_headers Set-Cookie Cache-Control Expires X-Accel-Expires Vary;"
                          " proxy_cache_valid any 60s;",
    }[variant]
    (directory / "conf").write_text(f"""
{"user root;" if ROOT else ""}
daemon off;
worker_processes 1;
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  proxy_cache_path {directory}/cache keys_zone=e2e:4m;
  server {{
    listen 127.0.0.1:{port}{protocol};
    {server}
    location / {{
      proxy_pass http://127.0.0.1:{backend};
      {rules}
    }}
  }}
}}
""")
    return ["nginx", "-p", str(directory), "-e", f"{directory}/error.log", "-c", f"{directory}/conf"]


def varnish(directory, port, backend, variant):
    hashing = "sub vcl_recv { if (req.method == \"GET\" || req.method == \"HEAD\") { return (hash); } }"
    fixed = "set beresp.uncacheable = false; set beresp.ttl = 60s;"
    code = {
        "default": "",
        "raised": "",
        "hash": hashing,
        "fixed": f"{hashing} sub vcl_backend_response {{ {fixed} return (deliver); }}",
        "fixed, no vary": f"{hashing} sub vcl_backend_response {{ {fixed} unset beresp.http.Vary; return (deliver); }}",
    }[variant]
    (directory / "vcl").write_text(
        f"vcl 4.1;\nbackend default {{ .host = \"127.0.0.1\"; .port = \"{backend}\"; }}\n{code}\n")
    options = ["-j", "none"] if ROOT else []
    options += ["-p", RAISED["varnish"]] if variant == "raised" else []
    return ["varnishd", *options, "-F", "-n", f"{directory}/n", "-a", f"127.0.0.1:{port}", "-f", f"{directory}/vcl",
            "-s", "malloc,16m", "-T", "none"]


def apache(directory, port, backend, variant):
    extra = {
        "default": "",
        "raised": RAISED["apache"],
        "http2": "Protocols h2c http/1.1",
        "fixed": "CacheStorePrivate On\nCacheStoreNoStore On\nCacheIgnoreCacheControl On\n"
                 "CacheIgnoreNoLastMod On\nCacheDefaultExpire 60",
    }[variant]
    (directory / "cache").mkdir()
    (directory / "cache").chmod(0o777)
    modules = "\n".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
        for name in ("mpm_event", "authz_core", "proxy", "proxy_http", "cache", "cache_disk",
                     *(["http2"] if variant == "http2" else [])))
    (directory / "conf").write_text(f"""
ServerRoot {directory}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {directory}/pid
ErrorLog {directory}/error.log
DefaultRuntimeDir {directory}
Mutex file:{directory}
{modules}
{"User www-data" if ROOT else ""}
{"Group www-data" if ROOT else ""}
StartServers 1
ThreadsPerChild 16
MaxRequestWorkers 32
CacheRoot {directory}/cache
CacheEnable disk /
{extra}
ProxyPass / http://127.0.0.1:{backend}/
""")
    return ["apache2", "-f", f"{directory}/conf", "-DFOREGROUND"]


def haproxy(directory, port, backend, variant):
    rewrite = {
        "default": "option checkcache",
        "raised": "",
        "http2": "",
        "fixed": 'http-response set-header Cache-Control "max-age=60"',
        "fixed, no vary": 'http-response set-header Cache-Control "max-age=60"\n  http-response del-header Vary',
    }[variant]
    (directory / "conf").write_text(f"""
global
  maxconn 256
  {RAISED["haproxy"] if variant == "raised" else ""}
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
cache e2e
  total-max-size 4
  max-age 60
frontend web
  bind 127.0.0.1:{port}{" proto h2" if variant == "http2" else ""}
  default_backend origin
backend origin
  {rewrite}
  http-request cache-use e2e
  http-response cache-store e2e
  server origin 127.0.0.1:{backend}
""")
    return ["haproxy", "-db", "-f", f"{directory}/conf"]


def squid(directory, port, backend, variant):
    refresh = {
        "default": "",
        "joined": "collapsed_forwarding on",
        "fixed": "refresh_pattern . 60 100% 60 override-expire override-lastmod ignore-no-store ignore-private",
    }[variant]
    (directory / "conf").write_text(f"""
http_port 127.0.0.1:{port} accel defaultsite=localhost
cache_peer 127.0.0.1 parent {backend} 0 no-query originserver name=origin
http_access allow all
{"cache_effective_user proxy" if ROOT else ""}
visible_hostname localhost
max_filedescriptors 1024
cache_mem 8 MB
access_log none
cache_log {directory}/cache.log
cache_store_log none
pid_filename {directory}/pid
coredump_dir {directory}
pinger_enable off
shutdown_lifetime 0 seconds
{refresh}
""")
    return ["squid", "-N", "-f", f"{directory}/conf"]


def trafficserver(directory, port, backend, variant):
    folders = ("prefix", "exec_prefix", "bindir", "sbindir", "sysconfdir", "datadir", "includedir", "libdir", "libexecdir",
               "localstatedir", "runtimedir", "logdir", "cachedir")
    for file, text in {
        "runroot.yaml": "\n".join(f"{folder}: {directory}" for folder in folders),
        "records.config": f"CONFIG proxy.config.http.server_ports STRING {port}:ip-in=127.0.0.1\n"
                          f"CONFIG proxy.config.admin.user_id STRING {'www-data' if ROOT else '#-1'}\n"
                          "CONFIG proxy.config.http.cache.http INT 0\n"
                          "CONFIG proxy.config.crash_log_helper STRING NULL\n",
        "remap.config": f"map / http://127.0.0.1:{backend}/\n",
        "storage.config": f"{directory} 16M\n",
        "ip_allow.yaml": "ip_allow: [{apply: in, ip_addrs: 127.0.0.1, action: allow, methods: ALL}]\n",
    }.items():
        (directory / file).write_text(text)
    return ["traffic_server", f"--run-root={directory}/runroot.yaml"]


def node(directory, port, backend, variant):
    options = [RAISED["node"]] if variant == "raised" else []
    return ["node", *options, str(HERE / "hop.js"), str(port), str(backend)]


def workerd(directory, port, backend, variant):
    (directory / "worker.js").write_text((HERE / "worker.js").read_text())
    (directory / "conf.capnp").write_text(f"""
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "hop", worker = (modules = [(name = "hop", esModule = embed "worker.js")], compatibilityDate = "2026-01-01",
      bindings = [(name = "ORIGIN", text = "http://127.0.0.1:{backend}")], globalOutbound = "loopback")),
    (name = "loopback", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "hop")],
);
""")
    return [str(WORKERD), "serve", f"{directory}/conf.capnp"]


def version(program):
    command = {"nginx": ["nginx", "-v"], "varnish": ["varnishd", "-V"], "apache": ["apache2", "-v"],
               "haproxy": ["haproxy", "-v"], "squid": ["squid", "-v"], "trafficserver": ["traffic_server", "-V"],
               "node": ["node", "-v"], "workerd": [WORKERD, "--version"]}.get(program)
    if command is None:
        # A library of the origin.
        lock = (HERE / "../../Cargo.lock").read_text()
        return re.search(rf'name = "{program}"\nversion = "([^"]+)"', lock).group(1)
    said = subprocess.run(command, capture_output=True, text=True)
    return re.search(r"(\d+(\.\d+)+|\d+-\d+-\d+)", said.stdout + said.stderr).group(1)


DEFAULT = [
    Cache("nginx"),
    Cache("varnish", cookie_hit=False),
    Cache("apache"),
    Cache("haproxy", vary_store=False),
    Cache("squid"),
]
# Varnish's built-in rules, except that requests with cookies use the cache too: a common configuration.
VARNISH_HASH = Cache("varnish", "hash", broken={
    "304": "Varnish asks the origin without If-None-Match, gets a 200 with a renewal, and makes the 304 of it itself"})

# A fixed lifetime on everything, in a cache that still obeys Vary, breaks these: no visitor gets another's page, but
# visitors get their own old page again.
OWN = "Cache-Control is ignored: a visitor gets their own old page during the lifetime, even after a change"
FIXED = {
    "stored": OWN,
    "targeted": OWN,
    "writes": "a sign-in by GET is stored with its Set-Cookie and replayed to the next visitor without a cookie, whose own "
              "sign-in or sign-out then ends that session",
    "cookies": "no renewal while the stored page is served",
    "garbage": "the page for a bad cookie is served again to the same bad cookie",
}
# Without Vary the cache cannot tell two visitors apart.
SHARED = "Cache-Control and Vary are ignored: all visitors get the page of the first"
NO_VARY = {name: SHARED for name in ("leak", "stored", "targeted", "writes", "cookies", "greeting", "garbage")}
NO_VARY_SHOWN = {**NO_VARY, "vary": "the cache takes Vary away"}
# This cache tells visitors apart by `Vary` alone.
NGINX_FIXED = Cache("nginx", "fixed", broken=FIXED)
REWRITTEN = "the browser is told max-age=60 instead of no-store"

HOSTILE = [
    Cache("nginx", "joined"),
    Cache("nginx", "no set-cookie"),
    NGINX_FIXED,
    Cache("nginx", "fixed, no vary", broken=NO_VARY, perhaps=("304",)),
    VARNISH_HASH,
    Cache("varnish", "fixed", broken=FIXED),
    Cache("varnish", "fixed, no vary", broken=NO_VARY_SHOWN, perhaps=("304",)),
    Cache("apache", "fixed", broken={name: FIXED[name] for name in ("stored", "writes", "garbage")}),
    Cache("haproxy", "fixed", vary_store=False, broken={"writes": REWRITTEN, "cookies": REWRITTEN}),
    Cache("haproxy", "fixed, no vary", broken=NO_VARY_SHOWN, perhaps=("304",)),
    Cache("squid", "joined"),
    Cache("squid", "fixed", broken={
        "stored": "a visitor's own page with an ETag is served again to that visitor",
        "garbage": FIXED["garbage"]}),
]
