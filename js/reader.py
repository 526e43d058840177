"""Opens sealed sessions, from SPEC.md alone: a ring maps key ids to roots, tokens are texts, times are Unix seconds."""
import base64, hashlib, hmac, json, struct
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

def open_head(ring, version, text, longest, name, audience, bind, now):  # steps 1 to 5
    try:
        token = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise ValueError("malformed")
    if len(text) > longest or not token or base64.urlsafe_b64encode(token).rstrip(b"=") != text.encode():
        raise ValueError("malformed")
    if token[0] != version: raise ValueError("unknown version")
    if len(token) < 70 if version == 1 else len(token) != 33: raise ValueError("malformed")
    key_id, expires, session_id = struct.unpack(">4sI8s", token[1:17])
    if expires <= now: raise ValueError("expired")
    if expires > now + 400 * 86400 + 300: raise ValueError("expires too far")
    if key_id not in ring: raise ValueError("unknown key")
    end = 29 if version == 1 else 17
    check_key = day_key(ring, b"check key", key_id, expires, name, audience)
    if not hmac.compare_digest(expand(check_key, token[:end] + bind, 16), token[end : end + 16]):
        raise ValueError("not ours")
    return token, key_id, expires, session_id

def open_session(ring, text, seen, name, audience, bind, now, ordinary, remembered, cut_off=0, revoked=()):
    """The session's data; ordinary and remembered are pairs (idle or None, absolute). ValueError names the reason."""
    token, key_id, expires, session_id = open_head(ring, 1, text, 4096 - len(name), name, audience, bind, now)
    seal_key = day_key(ring, b"seal key", key_id, expires, name, audience)
    try:
        frame = AESGCM(expand(seal_key, token[:29] + bind, 32)).decrypt(bytes(12), token[45:], None)
    except InvalidTag:
        raise ValueError("damaged")
    started, sealed, flags = struct.unpack(">IIB", frame[:9])
    if flags > 1: raise ValueError("unknown flags")
    idle, absolute = remembered if flags and remembered else ordinary
    if started > now + 300: raise ValueError("started in future")
    if started + absolute <= now: raise ValueError("too old")
    if started < cut_off or session_id.hex() in revoked: raise ValueError("revoked")
    def active(text):
        try:
            _, _, expires, seen_id = open_head(ring, 2, text, 44, name + "-seen", audience, bind, now)
        except ValueError:
            return False
        return seen_id == session_id and expires <= now + idle + 300
    if idle is not None and not any(map(active, seen)): raise ValueError("idle")
    try:
        return json.loads(frame[9:].decode("utf-8"))
    except ValueError:
        raise ValueError("payload")
