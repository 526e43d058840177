"""Opens sealed sessions, from SPEC.md alone: a ring maps key ids to roots, tokens are texts, times are Unix seconds."""
import base64, hashlib, hmac, json, struct
from collections import namedtuple
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

def expand(key, info, length):
    return hmac.digest(key, info + b"\x01", hashlib.sha256)[:length]

def add_secret(ring, secret):
    root = hmac.digest(b"sealed-session/v1", secret, hashlib.sha256)
    ring[expand(root, b"key id", 4)] = root

def day_key(ring, label, key_id, expires, name, audience):
    place = b"".join(bytes([len(part)]) + part for part in (name.encode(), audience.encode()))
    return expand(ring[key_id], label + struct.pack(">I", expires // 86400) + place, 32)

# Lengths of head and token by first byte; a session token may be longer.
KINDS = {1: (29, 70), 2: (17, 33), 3: (33, 49), 4: (29, 45), 7: (30, 46)}
SESSION = {first: KINDS[first] for first in (1, 7)}
Token = namedtuple("Token", "bytes head key_id expires")
Session = namedtuple("Session", "id started sealed remembered device payload data")

def screen(ring, kinds, text, longest, now, life=400 * 86400):
    """Steps 1 to 4 for a token of one of these first bytes, with their lengths."""
    try:
        token = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise ValueError("malformed")
    if len(text) > longest or not token or base64.urlsafe_b64encode(token).rstrip(b"=") != text.encode():
        raise ValueError("malformed")
    if token[0] not in kinds: raise ValueError("unknown version")
    head, length = kinds[token[0]]
    if len(token) < length or len(token) > length and token[0] not in SESSION: raise ValueError("malformed")
    if token[0] == 7 and (len(text) != longest // 4 * 4 or not 2 <= token[29] <= 4): raise ValueError("malformed")
    key_id, expires = struct.unpack(">4sI", token[1:9])
    if expires <= now: raise ValueError("expired")
    if expires > now + life + 300: raise ValueError("expires too far")
    if key_id not in ring: raise ValueError("unknown key")
    return Token(token, head, key_id, expires)

def verify(ring, token, name, audience, bind):
    """Step 5."""
    check_key = day_key(ring, b"check key", token.key_id, token.expires, name, audience)
    check = token.bytes[token.head : token.head + 16]
    if not hmac.compare_digest(expand(check_key, token.bytes[: token.head] + bind, 16), check):
        raise ValueError("not ours")

def open_all(texts, screen_one, is_wanted, verify_one):
    """What opens of these texts; cryptography is spent on the first 8 that name what is wanted."""
    def opened(action, items):
        for item in items:
            try:
                yield action(item)
            except ValueError:
                pass
    wanted = [token for token in opened(screen_one, texts) if is_wanted(token)]
    return list(opened(lambda token: verify_one(token) or token, wanted[:8]))

def open_activity(ring, texts, session_id, latest, device_binding, name, audience, bind, now):
    """Step 8: (expires, device or None) of the session's activity tokens."""
    name, kinds = name + "-seen", {kind: KINDS[kind] for kind in ([2, 3] if device_binding else [2])}
    found = open_all(texts, lambda text: screen(ring, kinds, text, 66, now),
                     lambda token: token.bytes[9:17] == session_id,
                     lambda token: verify(ring, token, name, audience, bind))
    in_time = [token for token in found if token.expires <= latest]
    return [(token.expires, token.bytes[17:33] if token.head == 33 else None) for token in in_time]

def verify_proof(ring, token, lifetime, name, audience, bind, now):
    """Steps 5 and 6."""
    verify(ring, token, name + "-proof", audience, bind)
    [proven] = struct.unpack(">I", token.bytes[25:29])
    if proven > now + 300: raise ValueError("proven in future")
    if proven + lifetime <= now: raise ValueError("too old")

def full(name_length):
    """The most characters of a cookie that decode by themselves."""
    return 4 * ((4096 - name_length) // 4)

def gather(token, text, name, chunks):
    """Step 5b: the bytes of a session in several cookies; chunks are the values of .2, .3 and .4, as lists."""
    tie, other, count = text[40:48], full(len(name) + 2), token.bytes[29]
    parts = [token.bytes]
    for number, values in zip(range(2, count + 1), list(chunks) + [[]] * 3):
        for value in values:
            fits = len(value) == other or number == count and 8 < len(value) < other
            if not value.startswith(tie) or not fits: continue
            try:
                part = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
            except ValueError:
                continue
            if base64.urlsafe_b64encode(part).rstrip(b"=") != value.encode(): continue
            parts.append(part[6:])
            break
        else:
            raise ValueError("incomplete")
    return b"".join(parts)

def open_session(ring, text, seen, name, audience, bind, now, ordinary, remembered, cut_off=0, revoked=(), proofs=(),
                 proof_lifetime=None, chunks=()):
    """A session; ordinary and remembered are pairs (idle or None, absolute), proof_lifetime is None without device
    binding. ValueError names the reason."""
    token = screen(ring, SESSION, text, 4096 - len(name), now)
    verify(ring, token, name, audience, bind)
    whole = gather(token, text, name, chunks) if token.bytes[0] == 7 else token.bytes
    session_id, seal_key = token.bytes[9:17], day_key(ring, b"seal key", token.key_id, token.expires, name, audience)
    try:
        key = expand(seal_key, whole[: token.head] + bind, 32)
        frame = AESGCM(key).decrypt(bytes(12), whole[token.head + 16 :], None)
    except InvalidTag:
        raise ValueError("damaged")
    started, sealed, flags = struct.unpack(">IIB", frame[:9])
    if flags > 1: raise ValueError("unknown flags")
    idle, absolute = remembered if flags and remembered else ordinary
    if started > now + 300: raise ValueError("started in future")
    if started + absolute <= now: raise ValueError("too old")
    if started < cut_off or session_id.hex() in revoked: raise ValueError("revoked")
    device = None
    if idle is not None:
        place, binding = (name, audience, bind, now), proof_lifetime is not None
        active = {device for _, device in open_activity(ring, seen, session_id, now + idle + 300, binding, *place)}
        if not active: raise ValueError("idle")
        proven = open_all(proofs, lambda text: screen(ring, {4: KINDS[4]}, text, 60, now),
                          lambda token: token.bytes[9:25] in active,
                          lambda token: verify_proof(ring, token, proof_lifetime, *place))
        device = next((token.bytes[9:25] for token in proven), None)
        if device is None and None not in active: raise ValueError("unproven")
    try:
        data = json.loads(frame[9:].decode("utf-8"))
    except ValueError:
        raise ValueError("payload")
    return Session(session_id, started, sealed, bool(flags), device, frame[9:], data)
