"""Check an exported log offline: standard library only, Python 3.8, imports nothing of Guard.

This very file ships inside every export and is what ``guard audit verify`` runs; the
writing half (leaf, merkle, checkpoint) imports its functions, never the other way.

    python verify.py EXPORT.zip [--key NAME+HASH+BASE64]

What is checked, for each log of the export:
 0. the archive is byte for byte the canonical archive of its members;
 1. every entry re-encodes to its own bytes (RFC 8785) and has a known shape;
 2. indices are contiguous from 0, times rise strictly;
 3. the RFC 6962 root over all entries is the checkpoint's root, the size its size;
 4. the checkpoint is canonical (C2SP tlog-checkpoint) and signed by the given key;
 5. every revealed value hashes to the commitment in its entry;
 6. every outcome has an intent, and no exchange has two ends.
What the caller still owes: the right public key, from somewhere else than the export, and
an outside memory of an older checkpoint, without which a rewritten history with the same
key cannot be told from the true one.

``VerificationFailed`` is the only exception that escapes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import zipfile
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple

FORMAT = "guard-export/1"
MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 16
PARTS = ("entries.jsonl", "checkpoint", "revealed.jsonl")
SALT = 16


class VerificationFailed(Exception):
    """The export is not what it claims to be; the message says where."""


# Canonical JSON (RFC 8785 without floats) -------------------------------------------------
def _ordered(value):
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value, key=lambda k: k.encode("utf-16-be"))}
    if isinstance(value, list):
        return [_ordered(member) for member in value]
    return value


def _check(value, depth=0):
    if depth > MAX_DEPTH:
        raise VerificationFailed("JSON nests too deeply")
    if isinstance(value, float):
        raise VerificationFailed("a float has no place in a record")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_INTEGER:
        raise VerificationFailed("an integer is beyond 2^53 - 1")
    if isinstance(value, dict):
        for member in value.values():
            _check(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            _check(member, depth + 1)


def encode(value) -> bytes:
    """Return the canonical bytes of a JSON value without floats."""
    _check(value)
    try:
        return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except (UnicodeEncodeError, TypeError):
        raise VerificationFailed("a value has no canonical form") from None


def decode(data: bytes, where: str):
    """Parse canonical JSON; anything that would not re-encode to itself is refused."""
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise VerificationFailed(where + ": not JSON") from None
    try:
        again = encode(value)
    except VerificationFailed as failure:
        raise VerificationFailed("%s: %s" % (where, failure)) from None
    if again != data:
        raise VerificationFailed(where + ": not in canonical form")
    return value


# RFC 6962 §2.1 ----------------------------------------------------------------------------
def leaf_hash(entry: bytes) -> bytes:
    """Hash one entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into one."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(frontier: Sequence[bytes]) -> bytes:
    """Return the root over a compact range, largest subtree first."""
    if not frontier:
        return hashlib.sha256(b"").digest()
    root = frontier[-1]
    for left in reversed(frontier[:-1]):
        root = node_hash(left, root)
    return root


def grow(frontier: List[bytes], size: int, leaf: bytes) -> None:
    """Add the hash of entry ``size`` to the compact range of the entries before it."""
    frontier.append(leaf)
    while size & 1:
        right = frontier.pop()
        frontier[-1] = node_hash(frontier[-1], right)
        size >>= 1


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(value) != 32 for value in hashes):
        raise VerificationFailed("a hash has not 32 bytes")


def verify_inclusion(*, index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that ``leaf`` is entry ``index`` of the tree (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        raise VerificationFailed("the index is outside the tree")
    _check_hashes([leaf, root, *proof])
    fn, sn, current = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            raise VerificationFailed("the inclusion proof is too long")
        if fn & 1 or fn == sn:
            current = node_hash(sibling, current)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            current = node_hash(current, sibling)
        fn >>= 1
        sn >>= 1
    if sn != 0 or current != root:
        raise VerificationFailed("the inclusion proof does not lead to the root")


def verify_consistency(
    *, old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of ``old`` entries is a prefix of that of ``new`` (RFC 9162 §2.1.4.2).

    An empty ``old`` is refused: it is a prefix of everything, so nothing would be checked.
    """
    if not 0 < old <= new:
        raise VerificationFailed("the sizes are not in order")
    _check_hashes(proof)
    if old == new:
        if proof or old_root != new_root:
            raise VerificationFailed("the trees differ")
        return
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise VerificationFailed("the consistency proof is empty")
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    first = second = path[0]
    for sibling in path[1:]:
        if sn == 0:
            raise VerificationFailed("the consistency proof is too long")
        if fn & 1 or fn == sn:
            first = node_hash(sibling, first)
            second = node_hash(sibling, second)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            second = node_hash(second, sibling)
        fn >>= 1
        sn >>= 1
    if sn != 0 or first != old_root or second != new_root:
        raise VerificationFailed("the consistency proof does not lead to both roots")


# Sealed values ----------------------------------------------------------------------------
def commitment(salt: bytes, value) -> str:
    """Return the hex commitment of a sealed value."""
    return hashlib.sha256(salt + encode(value)).hexdigest()


# Ed25519 (RFC 8032 §5.1), verification only -------------------------------------------------
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_I = pow(2, (_P - 1) // 4, _P)
_Point = Tuple[int, int, int, int]


def _recover_x(y: int, sign: int) -> Optional[int]:
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    if square == 0:
        return None if sign else 0
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _I % _P
    if (x * x - square) % _P:
        return None
    return _P - x if x & 1 != sign else x


def _add(p: _Point, q: _Point) -> _Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _multiply(scalar: int, point: _Point) -> _Point:
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _decompress(data: bytes) -> Optional[_Point]:
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    x = _recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


_GY = 4 * pow(5, _P - 2, _P) % _P
_GX = _recover_x(_GY, 0) or 0
_G = (_GX, _GY, 1, _GX * _GY % _P)


def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether ``signature`` is ``public``'s over ``message``; strict about encodings."""
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = _decompress(public), _decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= _L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _L
    left, right = _multiply(s, _G), _add(r, _multiply(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 and (
        left[1] * right[2] - right[1] * left[2]
    ) % _P == 0


# Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint) ---------------------------
def key_hash(name: str, public: bytes) -> bytes:
    """Return the four-byte id of an Ed25519 note key."""
    return hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]


def key_line(name: str, public: bytes) -> str:
    """Return the key as ``NAME+HASH+BASE64``, the C2SP verifier key."""
    return "%s+%s+%s" % (name, key_hash(name, public).hex(), _b64(b"\x01" + public))


def parse_key(line: str) -> Tuple[str, bytes]:
    """Read a verifier key; it must re-encode to itself."""
    name, _, rest = line.partition("+")
    _, _, encoded = rest.partition("+")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise VerificationFailed("a key is not base64") from None
    if len(raw) != 33 or raw[0] != 1 or key_line(name, raw[1:]) != line:
        raise VerificationFailed("a key is not an Ed25519 verifier key")
    return name, raw[1:]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Checkpoint:
    """``ORIGIN\\nSIZE\\nBASE64(ROOT)\\n\\n— NAME BASE64(HASH + SIGNATURE)\\n``, canonical or refused."""

    def __init__(self, origin: str, size: int, root: bytes, signature: bytes = b"") -> None:
        self.origin, self.size, self.root, self.signature = origin, size, root, signature

    @property
    def body(self) -> str:
        """The signed text."""
        return "%s\n%d\n%s\n" % (self.origin, self.size, _b64(self.root))

    def text(self, name: str, public: bytes) -> str:
        """The whole note as ``name`` signs it."""
        return "%s\n\u2014 %s %s\n" % (self.body, name, _b64(key_hash(name, public) + self.signature))


def open_checkpoint(
    text: str, name: str, public: bytes, signed: Callable[[bytes, bytes, bytes], bool] = ed25519_verify
) -> Checkpoint:
    """Parse a checkpoint and check its signature by ``name``'s key."""
    lines = text.split("\n")
    if len(lines) != 6 or lines[3] or lines[5]:
        raise VerificationFailed("checkpoint: not six lines as a checkpoint has them")
    try:
        size = int(lines[1])
        root = base64.b64decode(lines[2], validate=True)
        raw = base64.b64decode(lines[4].split(" ")[-1], validate=True)
    except ValueError:
        raise VerificationFailed("checkpoint: size, root or signature cannot be read") from None
    checkpoint = Checkpoint(lines[0], size, root, raw[4:])
    if len(root) != 32 or size < 0 or checkpoint.text(name, public) != text:
        raise VerificationFailed("checkpoint: not in canonical form, or of another key")
    if not signed(public, checkpoint.body.encode(), checkpoint.signature):
        raise VerificationFailed("checkpoint: the signature is wrong")
    return checkpoint


# The archive ------------------------------------------------------------------------------
def pack(members: Dict[str, bytes]) -> bytes:
    """Return the canonical archive: stored, sorted, no dates, no extra fields."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, members[name])
    return buffer.getvalue()


def unpack(data: bytes) -> Dict[str, bytes]:
    """Read an archive; anything that does not pack to the same bytes is refused."""
    try:
        members = _members(data)
    except VerificationFailed:
        raise
    except Exception as error:  # noqa: BLE001 - zipfile raises a dozen types on hostile bytes
        raise VerificationFailed("archive: damaged (%s)" % type(error).__name__) from None
    packed = pack(members)
    if packed != data:
        at = next((i for i, (a, b) in enumerate(zip(packed, data)) if a != b), min(len(packed), len(data)))
        raise VerificationFailed("archive: byte %d is not as a canonical archive has it" % at)
    return members


def _members(data: bytes) -> Dict[str, bytes]:
    members: Dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        # Members are stored as they are, one after the other; anything else could be a bomb.
        if any(info.compress_type for info in infos):
            raise VerificationFailed("archive: a member is compressed")
        if sum(info.file_size for info in infos) > len(data):
            raise VerificationFailed("archive: members claim more than it holds")
        for info in infos:
            try:
                members[info.filename] = archive.read(info)
            except zipfile.BadZipFile:
                raise VerificationFailed("%s: damaged" % info.filename) from None
    return members


# Logs -------------------------------------------------------------------------------------
class LogCheck:
    """Checks a whole log, entry by entry: canonical form, order, ends, tree.

    ``open`` and ``ended`` hold the exchanges without and with an end.
    """

    def __init__(self, log: str) -> None:
        self.log = log
        self.size, self.first, self.last = 0, 0, 0
        self.frontier: List[bytes] = []
        self.open: Set[str] = set()
        self.ended: Set[str] = set()

    def add(self, line: bytes) -> dict:
        """Check the next entry and return it."""
        where = "log %s entry %d" % (self.log, self.size)
        entry = decode(line, where)
        if not _is_record(entry):
            raise VerificationFailed(where + ": not a record")
        if entry["tenant"] != self.log:
            raise VerificationFailed(where + ": of another log")
        if self.size and entry["time"] <= self.last:
            raise VerificationFailed(where + ": time does not rise")
        self._check_end(entry, where)
        grow(self.frontier, self.size, leaf_hash(line))
        self.first = self.first if self.size else entry["time"]
        self.last = entry["time"]
        self.size += 1
        return entry

    def _check_end(self, entry: dict, where: str) -> None:
        kind, exchange = entry["type"], entry.get("exchange", "")
        if kind == "exchange.intent":
            if exchange in self.ended:
                raise VerificationFailed(where + ": an attempt after the end of its exchange")
            self.open.add(exchange)
        elif kind in ("exchange.outcome", "exchange.gap", "exchange.refused"):
            if exchange in self.ended:
                raise VerificationFailed(where + ": a second end of one exchange")
            if kind != "exchange.refused" and exchange not in self.open:
                raise VerificationFailed(where + ": an end without an intent")
            self.open.discard(exchange)
            self.ended.add(exchange)


def _is_record(entry: object) -> bool:
    if not isinstance(entry, dict) or type(entry.get("v")) is not int or entry["v"] != 1:
        return False
    texts = (entry.get("boot"), entry.get("id"), entry.get("tenant"), entry.get("type"))
    if not all(isinstance(text, str) for text in texts) or not isinstance(entry.get("sealed"), dict):
        return False
    if not isinstance(entry.get("exchange", ""), str):
        return False
    return type(entry.get("time")) is int and entry["time"] >= 0


def check_revealed(log: str, entries: Dict[str, bytes], lines: Sequence[bytes]) -> int:
    """Check that each revealed value is the one that its entry committed to; they rise by id and name."""
    before = ("", "")
    for number, line in enumerate(lines):
        where = "log %s revealed value %d" % (log, number)
        row = decode(line, where)
        if not isinstance(row, dict) or set(row) != {"id", "name", "salt", "value"}:
            raise VerificationFailed(where + ": not a revealed value")
        key = (row["id"], row["name"])
        if not all(isinstance(text, str) for text in key) or key <= before or row["id"] not in entries:
            raise VerificationFailed(where + ": of no entry, or not in order")
        before = key
        salt = _bytes_of(row["salt"], where + ": no salt")
        stated = json.loads(entries[row["id"]].decode())["sealed"].get(row["name"])
        if len(salt) != SALT or commitment(salt, row["value"]) != stated:
            raise VerificationFailed(where + ": not the value that the entry committed to")
    return len(lines)


def _bytes_of(text: object, what: str) -> bytes:
    """Read hex that is written in the one canonical way."""
    try:
        data = bytes.fromhex(str(text))
    except ValueError:
        raise VerificationFailed(what) from None
    if data.hex() != text:
        raise VerificationFailed(what)
    return data


def _lines(data: bytes, where: str) -> List[bytes]:
    if data and not data.endswith(b"\n"):
        raise VerificationFailed(where + ": the last line is cut")
    return data.split(b"\n")[:-1]


class Result:
    """What a verification established about one log."""

    def __init__(self, check: LogCheck, root: bytes, revealed: int) -> None:
        self.log, self.size, self.root = check.log, check.size, root
        self.first, self.last, self.revealed = check.first, check.last, revealed


def verify_export(data: bytes, key: Optional[str] = None) -> List[Result]:
    """Check a whole export; ``key`` is the verifier key that the reader trusts.

    Without ``key`` the export's own is used: then the result says that the export is
    whole, not whose it is.
    """
    members = unpack(data)
    manifest = decode(members.get("manifest.json", b""), "manifest")
    logs = _check_manifest(manifest, members)
    stated = members["keys.txt"].decode("utf-8", "replace").rstrip("\n")
    if key is not None and key != stated:
        raise VerificationFailed("keys.txt: the export names another key than the trusted one")
    name, public = parse_key(stated)
    signature = _bytes_of(manifest["signature"], "manifest: no signature")
    if not ed25519_verify(public, manifest_body(manifest), signature):
        raise VerificationFailed("manifest: the signature is wrong")
    return [_verify_log(log, members, name, public) for log in logs]


def manifest_body(manifest: dict) -> bytes:
    """Return what the manifest's signature is over: everything but itself."""
    return b"guard-export\n" + encode({k: v for k, v in manifest.items() if k != "signature"})


def _check_manifest(manifest: object, members: Dict[str, bytes]) -> List[str]:
    """Check the manifest's form and which members there are; return the names of the logs."""
    if not isinstance(manifest, dict) or set(manifest) != {"digests", "format", "logs", "signature"}:
        raise VerificationFailed("manifest: not a manifest")
    if manifest["format"] != FORMAT:
        raise VerificationFailed("manifest: not of format " + FORMAT)
    logs = manifest["logs"]
    if not isinstance(logs, list) or not all(isinstance(log, str) for log in logs):
        raise VerificationFailed("manifest: not a list of logs")
    named = {"keys.txt", "verify.py", "README.txt"}
    expected = {"logs/%s/%s" % (log, part) for log in logs for part in PARTS} | named | {"manifest.json"}
    if logs != sorted(set(logs)) or set(members) != expected:
        raise VerificationFailed("archive: members are missing or too many")
    if manifest["digests"] != {name: hashlib.sha256(members[name]).hexdigest() for name in named}:
        raise VerificationFailed("manifest: README.txt, keys.txt or verify.py is not the file that it names")
    return logs


def _verify_log(log: str, members: Dict[str, bytes], name: str, public: bytes) -> Result:
    folder = "logs/%s/" % log
    check = LogCheck(log)
    entries: Dict[str, bytes] = {}
    for line in _lines(members[folder + "entries.jsonl"], folder + "entries.jsonl"):
        entries[check.add(line)["id"]] = line
    root = root_of(check.frontier)
    text = members[folder + "checkpoint"].decode("utf-8", "replace")
    checkpoint = open_checkpoint(text, name, public)
    if checkpoint.origin != "guard/" + log:
        raise VerificationFailed("log %s: the checkpoint is of another log" % log)
    if checkpoint.size != check.size or checkpoint.root != root or len(entries) != check.size:
        raise VerificationFailed("log %s: entries and checkpoint differ" % log)
    revealed = _lines(members[folder + "revealed.jsonl"], folder + "revealed.jsonl")
    return Result(check, root, check_revealed(log, entries, revealed))


def main(arguments: Sequence[str]) -> int:
    """Run as a script: 0 valid, 1 invalid, 2 used wrongly."""
    rest = list(arguments)
    key = None
    if "--key" in rest[:-1]:
        at = rest.index("--key")
        key = rest[at + 1]
        del rest[at : at + 2]
    if len(rest) != 1 or rest[0].startswith("-"):
        sys.stderr.write("use: python verify.py EXPORT.zip [--key NAME+HASH+BASE64]\n")
        return 2
    try:
        with open(rest[0], "rb") as file:
            results = verify_export(file.read(), key)
    except OSError as error:
        sys.stderr.write("cannot read %s: %s\n" % (rest[0], error.strerror))
        return 2
    except VerificationFailed as failure:
        sys.stdout.write("INVALID  %s\n" % failure)
        return 1
    for result in results:
        sys.stdout.write(
            "valid    log %s: %d entries, root %s, %d revealed values\n"
            % (result.log, result.size, _b64(result.root), result.revealed)
        )
    if key is None:
        sys.stdout.write("note     no --key given: whole, but signed by the key that it names itself\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
