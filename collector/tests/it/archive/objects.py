#!/usr/bin/env python3
"""Writes the known answers of the archive's objects, with Python's `cryptography` and none of our code.

Run without arguments to print them; they lie beside this file as objects.json. The zstd frames are made by hand, of raw
blocks, so that no other compressor is needed: any frame that holds the content is right.
"""

import base64
import hashlib
import hmac
import json
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MASTER = bytes(range(32))
KEY_ID = 0x0A0B0C0D
SEGMENT = 64 << 10


def derived(info):
    """HKDF-SHA256, one block (RFC 5869), as the vault derives its keys."""
    prk = hmac.new(b"picket vault 1", MASTER, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def parts(*values):
    return b"".join(struct.pack(">Q", len(value)) + value for value in values)


def frame(content):
    """A zstd frame (RFC 8878): single segment, content size in eight bytes, raw blocks of at most 128 KiB; no checksum."""
    blocks = [content[at:at + (1 << 17)] for at in range(0, len(content), 1 << 17)] or [b""]
    out = b"\x28\xb5\x2f\xfd" + b"\xe0" + struct.pack("<Q", len(content))
    for number, block in enumerate(blocks):
        out += struct.pack("<I", len(block) << 3 | (number == len(blocks) - 1))[:3] + block
    return out


def make(name, content, number, version):
    prefix = hashlib.sha256(b"prefix %d" % number).digest()[:7]
    key = hashlib.sha256(b"key %d" % number).digest()
    front = b"PKTO" + bytes([version]) + prefix
    packed = frame(content)
    hashed = content if version == 1 else packed
    inner = key + struct.pack(">Q", len(content)) + hashlib.sha256(hashed).digest()
    head = b"\x01" + struct.pack(">I", KEY_ID)
    nonce = hashlib.sha256(b"nonce %d" % number).digest()[:12]
    context = parts(front, name.encode())
    sealed = head + nonce + AESGCM(derived(b"archive-key")).encrypt(nonce, inner, parts(head, b"archive-key", context))
    header = front + sealed
    pieces = [packed[at:at + SEGMENT] for at in range(0, len(packed), SEGMENT)]
    out = header
    for index, piece in enumerate(pieces):
        last = index == len(pieces) - 1
        stream_nonce = prefix + struct.pack(">I", index) + bytes([last])
        out += AESGCM(key).encrypt(stream_nonce, piece, parts(header, name.encode()))
    return out


def pattern(length):
    return b"".join(hashlib.sha256(b"%d" % at).digest() for at in range(length // 32 + 1))[:length]


def main():
    wal = "7000000000000000001/wal/00000001/000000010000000000000001"
    rows = []
    cases = [(wal, 0), (wal, 1), ("a/b", 1000), (wal, SEGMENT - 16), (wal, SEGMENT - 15)]
    for number, (version, (name, length)) in enumerate((version, case) for version in (1, 2) for case in cases):
        content = pattern(length)
        object_ = make(name, content, number, version)
        rows.append({
            "name": name,
            "length": length,
            "sha256": hashlib.sha256(content).hexdigest(),
            "object": base64.b64encode(object_).decode(),
        })
    ring = "picket master keys 1\n%08x %s\n" % (KEY_ID, base64.b64encode(MASTER).decode())
    print(json.dumps({"ring": ring, "objects": rows}, indent=1))


if __name__ == "__main__":
    main()
