#!/usr/bin/env python3
"""Writes the golden vectors of the probe protocol, with nothing but Python's standard library.

They are an independent second opinion: the Rust side must reproduce every byte here (shared/tests/vectors.rs).
Run without arguments to write the files beside this one, with --check to compare them with what lies there.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import struct
import sys
import uuid

HERE = pathlib.Path(__file__).parent
NOW = 1_790_000_000
PROBE = str(uuid.UUID(int=0x0192_0000_0000_7000_8000_0000_0000_0001))
OTHER_PROBE = str(uuid.UUID(int=0x0192_0000_0000_7000_8000_0000_0000_0002))
COLLECTOR = str(uuid.UUID(int=0x0192_0000_0000_7000_8000_0000_0000_00C0))
BOOT = str(uuid.UUID(int=0x0192_0000_0000_7000_8000_0000_0000_00B0))
MONITOR = str(uuid.UUID(int=0x0192_0000_0000_7000_8000_0000_0000_0A01))
BATCH = str(uuid.UUID(int=(NOW * 1000 << 80) | (0x7 << 76) | (0x123 << 64) | (0x8 << 60) | 0x77))
REQUEST = str(uuid.UUID(int=(NOW * 1000 << 80) | (0x7 << 76) | (0x456 << 64) | (0x8 << 60) | 0x99))
SECRET = bytes(range(32))
NONCE = hashlib.sha256(b"the nonce of day 1").hexdigest()
REQUEST_SALT = b"picket probe-request v1"


def hkdf(secret, salt, info):
    """HKDF-SHA256 with one block of output (RFC 5869)."""
    pseudorandom = hmac.new(salt, secret, hashlib.sha256).digest()
    return hmac.new(pseudorandom, info + b"\x01", hashlib.sha256).digest()


def info(probe, key_id):
    parts = [probe.encode(), key_id.encode()]
    return b"".join(struct.pack(">H", len(part)) + part for part in parts)


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(header, claims, key):
    signed = f"{b64(compact(header))}.{b64(compact(claims))}"
    signature = b64(hmac.new(key, signed.encode(), hashlib.sha256).digest()) if key else ""
    return f"{signed}.{signature}"


def keys():
    rows = []
    for probe in (PROBE, OTHER_PROBE):
        for number in (1, 20_000):
            rows.append({
                "probe": probe,
                "secret": SECRET.hex(),
                "grant": {
                    "number": number,
                    "nonce": NONCE,
                    "not_before": NOW * 1_000_000,
                    "not_after": (NOW + 86_400) * 1_000_000,
                },
                "info": info(probe, str(number)).hex(),
                "day_key": hkdf(SECRET, bytes.fromhex(NONCE), info(probe, str(number))).hex(),
                "request_key": hkdf(SECRET, REQUEST_SALT, info(probe, "r")).hex(),
            })
    return {"request_salt": REQUEST_SALT.decode(), "keys": rows}


def tokens(batch_body):
    day_key = hkdf(SECRET, bytes.fromhex(NONCE), info(PROBE, "1"))
    request_key = hkdf(SECRET, REQUEST_SALT, info(PROBE, "r"))
    common = {"iss": PROBE, "sub": PROBE, "aud": COLLECTOR, "iat": NOW, "nbf": NOW}
    batch_header = {"typ": "probe-batch+jwt", "alg": "HS256", "kid": f"{PROBE}.1"}
    batch_claims = common | {
        "exp": NOW + 86_400, "jti": BATCH, "boot": BOOT, "seq": 1,
        "bh": hashlib.sha256(batch_body).hexdigest(),
    }
    request_header = {"typ": "probe-request+jwt", "alg": "HS256", "kid": f"{PROBE}.r"}
    request_claims = common | {
        "exp": NOW + 60, "jti": REQUEST, "boot": BOOT, "method": "GET", "path": "/probe/v1/assignments",
        "bh": hashlib.sha256(b"").hexdigest(),
    }
    flipped = token(batch_header, batch_claims, day_key)
    flipped = flipped[:-2] + ("AA" if flipped[-2:] != "AA" else "BB")

    def row(name, kind, at, value, code):
        return {"name": name, "type": kind, "at": at, "token": value, "refused": code}

    batch = lambda **changes: token(batch_header, batch_claims | changes, day_key)
    request = lambda **changes: token(request_header, request_claims | changes, request_key)
    return {
        "probe": PROBE, "collector": COLLECTOR, "secret": SECRET.hex(), "nonce": NONCE,
        "batch_claims": batch_claims, "request_claims": request_claims,
        "tokens": [
            row("a good batch token", "batch", NOW, batch(), None),
            row("a good batch token, a minute later", "batch", NOW + 60, batch(), None),
            row("a good request token", "request", NOW, request(), None),
            row("unknown claims are ignored", "batch", NOW, batch(later="x"), None),
            row("expired", "request", NOW + 60, request(), "expired"),
            row("signed two minutes ago", "batch", NOW + 120, batch(), "clock_skew"),
            row("signed two minutes ahead", "batch", NOW - 120, batch(), "clock_skew"),
            row("a life of more than a day", "batch", NOW, batch(exp=NOW + 86_401), "bad_token"),
            row("a request that lives longer than a minute", "request", NOW, request(exp=NOW + 61), "bad_token"),
            row("for another collector", "batch", NOW, batch(aud=OTHER_PROBE), "bad_token"),
            row("by another probe", "batch", NOW, batch(iss=OTHER_PROBE, sub=OTHER_PROBE), "bad_token"),
            row("a flipped signature", "batch", NOW, flipped, "bad_token"),
            row("no algorithm", "batch", NOW, token(batch_header | {"alg": "none"}, batch_claims, None), "bad_token"),
            row("another algorithm", "batch", NOW,
                token(batch_header | {"alg": "HS512"}, batch_claims, day_key), "bad_token"),
            row("of the other type", "batch", NOW,
                token(batch_header | {"typ": "probe-request+jwt"}, batch_claims, day_key), "bad_token"),
            row("signed with the request key", "batch", NOW,
                token(batch_header, batch_claims, request_key), "bad_token"),
        ],
    }


def outcome(**changes):
    return {
        "monitor": MONITOR, "version": 3, "trigger": "scheduled", "at": NOW * 1_000_000, "late_us": 412,
        "status": "up", "total_us": 45_210,
        "phases": {"resolve": 1200, "connect": 9800, "tls": 21_000, "send": 90, "wait": 12_900, "receive": 220},
        "address": "93.184.216.34", "code": 200,
    } | changes


def batch():
    failed = outcome(
        trigger="confirm", status="down", at=(NOW + 3) * 1_000_000,
        phases={"resolve": 1100, "connect": 9700, "tls": 20_500}, code=None,
        failure={
            "kind": "certificate_expired",
            "message": "The certificate ended on 2026-09-01T00:00:00Z.",
            "evidence": {"not_after": "2026-09-01T00:00:00Z"},
        },
        self_check="good",
        certificate={
            "fingerprint": hashlib.sha256(b"leaf").hexdigest(), "subject": "CN=shop.example", "issuer": "CN=Some CA",
            "names": ["shop.example", "www.shop.example"],
            "not_before": 1_780_000_000_000_000, "not_after": 1_788_220_800_000_000,
        },
    )
    del failed["code"]
    folded = outcome(
        at=(NOW - 600) * 1_000_000,
        fold={"last": (NOW - 30) * 1_000_000, "count": 20, "min_us": 40_000, "avg_us": 45_000, "max_us": 61_000},
    )
    return {
        "through": (NOW + 4) * 1_000_000,
        "outcomes": [outcome(), failed, folded],
        "missed": [{
            "monitor": MONITOR, "from": (NOW - 1200) * 1_000_000, "to": (NOW - 630) * 1_000_000, "count": 20,
            "reason": "self_check_failed",
        }],
        "report": {
            "version": "0.1.0", "kinds": ["http", "dns", "tls", "tcp"], "assignments": 42, "monitors": 1,
            "clock_offset_us": -1500, "ipv4": "good", "ipv6": "bad", "dns": "good",
            "confinement": {
                "landlock_abi": 6, "seccomp": True, "no_new_privileges": True, "no_core_dumps": True,
            },
            "buffered_bytes": 2048, "dropped": {"buffer_overflow": 0}, "late_p99_us": 900,
        },
    }


def later_batch():
    """What a newer probe may send: fields and values of which this version knows nothing."""
    value = batch()
    value["weather"] = "fine"
    value["outcomes"] = [outcome(
        trigger="sunrise", status="sideways", shade=7,
        failure={"kind": "quic_timeout", "message": "No QUIC.", "evidence": {"a": "b"}, "hint": 1},
        self_check="partial",
    )]
    value["missed"][0]["reason"] = "eclipse"
    value["report"]["kinds"] = ["http", "quic"]
    value["report"]["mood"] = "good"
    return value


def assignments():
    return {
        "version": 42, "full": True,
        "monitors": [
            assignment({"kind": "http", "url": "https://shop.example/"}),
            assignment({"kind": "dns", "name": "shop.example", "record": "MX", "matching": "all"}),
            assignment({"kind": "tls", "host": "shop.example"}),
            assignment({"kind": "tcp", "host": "2001:db8::1", "port": 5432}),
        ],
        "removed": [str(uuid.UUID(int=5))],
        "rechecks": [{"id": str(uuid.UUID(int=6)), "monitor": MONITOR}],
    }


def later_assignments():
    value = assignments()
    value["monitors"] = [assignment({"kind": "quic", "host": "shop.example", "alpn": ["h3"]}) | {"colour": "red"}]
    value["page"] = 1
    return value


def manual():
    """What a person wants checked now: how it is handed out, answered and received, and what newer versions may say."""
    asked, found = str(uuid.UUID(int=7)), outcome(at=(NOW + 1) * 1_000_000, self_check="good")
    for key in ("monitor", "version", "trigger", "late_us"):
        del found[key]
    check = {
        "id": asked, "check": {"kind": "http", "url": "https://new.example/"}, "timeout_ms": 10_000,
        "until": (NOW + 60) * 1_000_000,
    }
    answer = {"id": asked, "outcome": found}
    return {
        "assignments": {
            "version": 42, "full": False, "monitors": [], "removed": [], "rechecks": [], "manual": [check],
        },
        "answer": answer,
        "receipts": [{"id": asked}, {"id": asked, "rejected": "expired"}],
        "later": {
            "check": check | {"check": {"kind": "quic", "host": "new.example"}, "colour": "red"},
            "answer": answer | {"outcome": found | {"status": "sideways", "shade": 7}},
            "receipt": {"id": asked, "rejected": "rainy", "why": "x"},
        },
    }


def assignment(check):
    interval = 30
    return {
        "monitor": MONITOR, "version": 3, "interval_s": interval, "timeout_ms": 10_000,
        "phase_us": phase_us(MONITOR, "us-east", interval * 1_000_000), "check": check,
    }


def phase_us(monitor, region, interval_us):
    """FNV-1a (64 bit) over the id's 16 bytes and the region's name, scaled to the interval."""
    value = 0xCBF2_9CE4_8422_2325
    for byte in uuid.UUID(monitor).bytes + region.encode():
        value = (value ^ byte) * 0x0000_0100_0000_01B3 % 2**64
    return value * interval_us >> 64


def phases():
    rows = []
    for monitor in (MONITOR, PROBE):
        for region in ("us-east", "eu-1"):
            for seconds in (5, 30, 86_400):
                rows.append({
                    "monitor": monitor, "region": region, "interval_s": seconds,
                    "phase_us": phase_us(monitor, region, seconds * 1_000_000),
                })
    return rows


def enrolment():
    rows = []
    for extra in ({}, {"url": "https://picket.example"}, {"url": "https://10.0.0.1:8443", "pin": "ab" * 32}):
        form = {"probe": PROBE, "collector": COLLECTOR, "secret": b64(SECRET)} | extra
        rows.append({"form": form, "token": "pkt_probe_" + b64(compact(form))})
    later = {"probe": PROBE, "collector": COLLECTOR, "secret": b64(SECRET), "later": True}
    rows.append({"form": {k: v for k, v in later.items() if k != "later"}, "token": "pkt_probe_" + b64(compact(later))})
    return rows


def bodies():
    return [{"body": body, "bh": hashlib.sha256(body.encode()).hexdigest()} for body in ("", "{}", "pické\n")]


def receipt():
    return {"batch": BATCH, "accepted": 2, "rejected": [{"index": 2, "reason": "too_old"}]}


def later_receipt():
    return receipt() | {"rejected": [{"index": 0, "reason": "rainy", "why": "x"}], "pace_ms": 10}


def main():
    batch_body = compact(batch())
    files = {
        "keys": keys(), "tokens": tokens(batch_body), "bodies": bodies(), "enrolment": enrolment(),
        "phases": phases(), "batch": batch(), "batch_of_a_newer_probe": later_batch(), "receipt": receipt(),
        "receipt_of_a_newer_collector": later_receipt(), "assignments": assignments(),
        "assignments_of_a_newer_collector": later_assignments(), "manual": manual(),
    }
    stale = []
    for name, value in files.items():
        path, text = HERE / f"{name}.json", json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text() != text:
                stale.append(path.name)
        else:
            path.write_text(text)
    if stale:
        sys.exit(f"stale vectors: {', '.join(stale)}: run shared/tests/vectors/generate.py")


main()
