"""The endpoints that bind sessions to devices and the writing of sessions in several cookies, from SPEC.md alone, and
their vectors: tests/data/next.json, or the file that NEXT_VECTORS names."""
import base64, hashlib, json, os, pathlib, struct
from collections import Counter

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import reader

REASONS = ["malformed", "unknown version", "expired", "expires too far", "unknown key", "not ours", "incomplete",
           "damaged", "unknown flags", "started in future", "proven in future", "too old", "revoked", "idle", "unproven",
           "payload"]
OF_ANOTHER_SERVER = ("unknown key", "unknown version")
# By kind: suffix of the place, first byte, length of the head, longest life, fields after the expiry.
KINDS = {
    "0x03": ("-seen", 3, 33, 400 * 86400, {"session_id": (9, 17), "device": (17, 33)}),
    "0x04": ("-proof", 4, 29, 400 * 86400, {"device": (9, 25)}),
    "0x05": ("-key", 5, 50, 400 * 86400, {"session_id": (9, 17), "point": (17, 50)}),
    "0x06 register": ("-register", 6, 25, 60, {"session_id": (9, 17)}),
    "0x06 refresh": ("-refresh", 6, 33, 60, {"device": (9, 25)}),
}

def unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

def point_of(key):
    return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

def device_of(point):
    return hashlib.sha256(point).digest()[:16]

def reason_of(action):
    try:
        action()
    except ValueError as reason:
        return str(reason)

class Proof:
    """A JSON Web Signature in compact form. ValueError if it is none."""

    def __init__(self, text):
        try:
            self.signed, signature = (text or "").rsplit(".", 1)
            header, claims = (json.loads(unbase64(part)) for part in self.signed.split("."))
            self.header, self.challenge, self.signature = header, claims["jti"], unbase64(signature)
        except (KeyError, TypeError):
            raise ValueError("no proof")

    def is_by(self, point):
        if self.header.get("alg") != "ES256" or self.header.get("typ") != "dbsc+jwt" or len(self.signature) != 64:
            return False
        r, s = (int.from_bytes(half, "big") for half in (self.signature[:32], self.signature[32:]))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        try:
            key.verify(utils.encode_dss_signature(r, s), self.signed.encode(), ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    def point_that_came(self):
        jwk = self.header.get("jwk", {})
        if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256": raise ValueError("no key of P-256")
        x, y = (int.from_bytes(unbase64(jwk[part]), "big") for part in "xy")
        return point_of(ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key())

class Server:
    """Sessions with the keys, the settings and the time of a row."""

    def __init__(self, row):
        self.ring, settings = {}, row["settings"]
        for secret in row["ring"]:
            reader.add_secret(self.ring, bytes.fromhex(secret))
        self.place = (row["name"], row["audience"], bytes.fromhex(row["bind"]), row["now"])
        self.name, self.audience, self.bind, self.now = self.place
        self.ordinary = (settings["idle"], settings["absolute"])
        remembered = (settings["remembered_idle"], settings["remembered_absolute"])
        self.remembered = remembered if remembered[1] else None
        self.cut_off, self.revoked = settings["cut_off"], settings["revoked"]
        self.proof_lifetime = settings["proof"]
        self.binds = settings["device"]

    def open(self, kind, text):
        """One token of a kind: its fields. ValueError names the reason."""
        suffix, first, head, life, fields = KINDS[kind]
        longest = -(-(head + 16) * 4 // 3)
        token = reader.screen(self.ring, {first: (head, head + 16)}, text, longest, self.now, life)
        if kind == "0x04":
            reader.verify_proof(self.ring, token, self.proof_lifetime, *self.place)
        else:
            reader.verify(self.ring, token, self.name + suffix, self.audience, self.bind)
        opened = {field: token.bytes[slice(*where)] for field, where in fields.items()}
        if kind == "0x04": [opened["proven"]] = struct.unpack(">I", token.bytes[25:29])
        if kind == "0x05":
            try:
                if opened["point"][0] not in (2, 3): raise ValueError
                ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), opened["point"])
            except ValueError:
                raise ValueError("damaged")
            opened["device"] = device_of(opened["point"])
        return {"expires": token.expires, **opened}

    def seal(self, kind, fields, expires):
        suffix, first, *_ = KINDS[kind]
        key_id = next(iter(self.ring))
        head = bytes([first]) + key_id + struct.pack(">I", expires) + fields
        key = reader.day_key(self.ring, b"check key", key_id, expires, self.name + suffix, self.audience)
        return base64.urlsafe_b64encode(head + reader.expand(key, head + self.bind, 16)).rstrip(b"=").decode()

    def seal_proof(self, device, lifetime):
        return self.seal("0x04", device + struct.pack(">I", self.now), self.now + lifetime)

    def open_session(self, cookies, proofs=None):
        """Of several sessions the newest that opens; ValueError names the furthest reason."""
        sessions, seen, came, *chunks = self.values(cookies)
        if not sessions: raise ValueError("absent")
        opened, reasons = [], ["malformed"]
        for text in sessions:
            try:
                opened.append(reader.open_session(
                    self.ring, text, seen, *self.place, self.ordinary, self.remembered, self.cut_off, self.revoked,
                    came if proofs is None else proofs, self.proof_lifetime if self.binds else None, chunks,
                ))
            except ValueError as reason:
                reasons.append(str(reason))
        if not opened: raise ValueError(max(reasons, key=REASONS.index))
        return max(opened, key=lambda session: (session.started, session.sealed))

    def values(self, cookies):
        suffixes = ("", "-seen", "-proof", ".2", ".3", ".4")
        return [[value for name, value in cookies if name == self.name + suffix] for suffix in suffixes]

    def activity(self, session, seen):
        idle, _ = self.remembered if session.remembered and self.remembered else self.ordinary
        return reader.open_activity(self.ring, seen, session.id, self.now + idle + 300, True, *self.place)

    def is_of_another_server(self, cookies):
        sessions, seen, *_ = self.values(cookies)
        screened = [(text, reader.SESSION, 4096 - len(self.name)) for text in sessions]
        screened += [(text, {kind: reader.KINDS[kind] for kind in (2, 3)}, 66) for text in seen]
        reasons = (reason_of(lambda: reader.screen(self.ring, kinds, text, longest, self.now))
                   for text, kinds, longest in screened)
        return any(reason in OF_ANOTHER_SERVER for reason in reasons)

    def write(self, session):
        """The cookies of a session, in up to four; ValueError if they do not hold it."""
        size, start = session["payload_bytes"], reader.full(len(self.name))
        length = lambda overhead: -(-(overhead + size) * 4 // 3)
        room, chunks = reader.full(len(self.name) + 2) - 8, 1
        if length(70) > 4096 - len(self.name):
            chunks = 1 + -(-(length(71) - start) // room)
            chunks = max(chunks, 2)
        if chunks > 4: raise ValueError("too large")
        key_id, expires = next(iter(self.ring)), session["expires"]
        head = bytes([1 if chunks == 1 else 7]) + key_id + struct.pack(">I", expires)
        head += bytes.fromhex(session["session_id"] + session["salt"]) + (b"" if chunks == 1 else bytes([chunks]))
        check, seal = (reader.day_key(self.ring, label, key_id, expires, self.name, self.audience)
                       for label in (b"check key", b"seal key"))
        frame = struct.pack(">IIB", session["started"], session["sealed"], session["flags"])
        payload = b'"' + b"x" * (size - 2) + b'"'
        body = AESGCM(reader.expand(seal, head + self.bind, 32)).encrypt(bytes(12), frame + payload, None)
        token = head + reader.expand(check, head + self.bind, 16) + body
        text = base64.urlsafe_b64encode(token).rstrip(b"=").decode()
        if chunks == 1: return [[self.name, text]]
        rest = [text[40:48] + text[at : at + room] for at in range(start, len(text), room)]
        return [[self.name, text[:start]]] + [[f"{self.name}.{i}", value] for i, value in enumerate(rest, 2)]

    def check(self, text):
        token = reader.screen(self.ring, reader.SESSION, text, 4096 - len(self.name), self.now)
        reader.verify(self.ring, token, self.name, self.audience, self.bind)
        chunks = token.bytes[29] if token.bytes[0] == 7 else 1
        return {"session_id": token.bytes[9:17], "expires": token.expires, "chunks": chunks}

    def open_value(self, text):
        token = reader.screen(self.ring, {1: reader.KINDS[1]}, text, 8192, self.now)
        reader.verify(self.ring, token, self.name, self.audience, self.bind)
        return {}

    def register(self, cookies, response):
        try:
            session = self.open_session(cookies)
            proof = Proof(response)
            challenged = self.open("0x06 register", proof.challenge)["session_id"]
            point = proof.point_that_came()
        except ValueError:
            return {"status": 400}
        if session.device is not None or challenged != session.id or not proof.is_by(point): return {"status": 400}
        longest = max(absolute for _, absolute in filter(None, (self.ordinary, self.remembered)))
        key = self.seal("0x05", session.id + point, min(self.now + longest, 2**32 - 1))
        return {"status": 200, "key": key, "proof": self.seal_proof(device_of(point), 1)}

    def refresh(self, cookies, identifier, response, others_may_begin):
        failed = {"status": 503 if self.is_of_another_server(cookies) else 401}
        try:
            key = self.open("0x05", identifier or "")
        except ValueError as reason:
            return {"status": 503} if str(reason) in OF_ANOTHER_SERVER else failed
        device, bound = key["device"], {}
        sessions, seen, *_ = self.values(cookies)
        if sessions or not others_may_begin:
            # Be it unproven: every device that an activity token claims has a proof here.
            devices = {unbase64(text)[17:33] for text in seen if len(text) == 66 and not reason_of(
                lambda: reader.screen(self.ring, {3: reader.KINDS[3]}, text, 66, self.now))}
            try:
                session = self.open_session(cookies, [self.seal_proof(device, 1) for device in devices])
            except ValueError:
                return failed
            activity = self.activity(session, seen)
            if device not in (of for _, of in activity):
                plain = [expires for expires, of in activity if of is None]
                if not plain or key["session_id"] != session.id: return failed
                bound = {"activity": self.seal("0x03", session.id + device, max(plain))}
        try:
            proof = Proof(response)
            challenged = self.open("0x06 refresh", proof.challenge)["device"]
        except ValueError:
            return {"status": 403}
        if challenged != device: return {"status": 403}
        if "jwk" in proof.header or not proof.is_by(key["point"]): return {"status": 401}
        return {"status": 200, "proof": self.seal_proof(device, self.proof_lifetime), **bound}

def answer(row):
    """What the row expects, found here."""
    server, cookies, op = Server(row), row.get("cookies"), row["op"]
    if op == "register": return server.register(cookies, row["response"])
    if op == "refresh": return server.refresh(cookies, row["identifier"], row["response"], row["others_may_begin"])
    try:
        if op == "open":
            opened = server.open(row["kind"], row["text"])
        elif op == "session":
            session = server.open_session(cookies)
            opened = {"session_id": session.id, "started": session.started, "sealed": session.sealed,
                      "remembered": session.remembered, "state": "proven" if session.device else "plain",
                      "device": session.device, "payload_sha256": hashlib.sha256(session.payload).digest()}
        elif op == "write":
            sent = server.write(row["session"])
            opened = {"cookies": [[name, len(value), hashlib.sha256(value.encode()).hexdigest()] for name, value in sent]}
        elif op == "head":
            opened = server.check(row["text"])
        elif op == "value":
            opened = server.open_value(row["text"])
        else:
            raise AssertionError(f"row {row['id']}: {op} is no operation")
    except ValueError as reason:
        return {"result": str(reason)}
    opened = {field: value.hex() if isinstance(value, bytes) else value for field, value in opened.items()}
    return {"result": "ok", **opened}

def rejects_every_flipped_bit(row):
    server, token = Server(row), unbase64(row["text"])
    for bit in range(8 * len(token)):
        flipped = bytearray(token)
        flipped[bit // 8] ^= 1 << bit % 8
        text = base64.urlsafe_b64encode(flipped).rstrip(b"=").decode()
        assert reason_of(lambda: server.open(row["kind"], text)), (row["kind"], bit)

def run():
    path = os.environ.get("NEXT_VECTORS", pathlib.Path(__file__).parent / "../tests/data/next.json")
    rows = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["rows"]
    for row in rows:
        found = answer(row)
        assert found == row["expect"], (row["id"], row["shows"], found, row["expect"])
    for kind in KINDS:
        opens = [row for row in rows if row["op"] == "open" and row["kind"] == kind]
        good = next(row for row in opens if row["expect"]["result"] == "ok")
        rejects_every_flipped_bit(good)
        for other in KINDS:
            assert not reason_of(lambda: Server(good).open(other, good["text"])) == (other == kind), (kind, other)
    counts = Counter(row["op"] for row in rows)
    assert set(counts) == {"open", "session", "register", "refresh", "write", "head", "value"}, counts
    print(f"vectors: {len(rows)} rows of the later first bytes as they say {dict(counts)}")
