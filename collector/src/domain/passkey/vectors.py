"""Makes vectors.json: passkeys made and used without Picket's code, by Yubico's fido2 and pyca/cryptography.

    pip install fido2==2.2.1 && python3 vectors.py > vectors.json

The entries of `chromium` were recorded from Chromium's virtual authenticator; this script keeps them.
"""

import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from fido2.cose import ES256, EdDSA
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

ORIGIN = "https://picket.example"
PARTY = hashlib.sha256(b"picket.example").digest()
FLAG = AuthenticatorData.FLAG
EVERY_DAY = FLAG.UP | FLAG.UV


def client_data(kind, challenge):
    return CollectedClientData.create(type=kind, challenge=challenge, origin=ORIGIN)


def vector(name, key, cose, sign, *, flags=EVERY_DAY, self_attested=False, extensions=None):
    identity = hashlib.sha512(name.encode()).digest()
    made_for, used_for = (hashlib.sha256(f"{name} {n}".encode()).digest() for n in ("made", "used"))
    made = AttestedCredentialData.create(b"\0" * 16, identity, cose)
    data = AuthenticatorData.create(PARTY, flags | FLAG.AT, 5, made)
    creating = client_data("webauthn.create", made_for)
    if self_attested:
        statement = {"alg": cose[3], "sig": sign(data + creating.hash)}
        attestation = AttestationObject.create("packed", data, statement)
    else:
        attestation = AttestationObject.create("none", data, {})
    getting = client_data("webauthn.get", used_for)
    more = {"extensions": extensions} if extensions else {}
    used = AuthenticatorData.create(PARTY, flags | (FLAG.ED if extensions else 0), 6, **more)
    return {
        "name": name,
        "origin": ORIGIN,
        "made_for": made_for.hex(),
        "create_client_data": creating.hex(),
        "attestation": bytes(attestation).hex(),
        "id": identity.hex(),
        "used_for": used_for.hex(),
        "get_client_data": getting.hex(),
        "authenticator_data": bytes(used).hex(),
        "signature": sign(used + getting.hash).hex(),
        "verified": bool(flags & FLAG.UV),
        "eligible": bool(flags & FLAG.BE),
        "backed_up": bool(flags & FLAG.BS),
        "counts": [5, 6],
    }


def es256(name, **more):
    key = ec.generate_private_key(ec.SECP256R1())
    cose = ES256.from_cryptography_key(key.public_key())
    return vector(name, key, cose, lambda message: key.sign(message, ec.ECDSA(hashes.SHA256())), **more)


def eddsa(name, **more):
    key = ed25519.Ed25519PrivateKey.generate()
    return vector(name, key, EdDSA.from_cryptography_key(key.public_key()), key.sign, **more)


here = pathlib.Path(__file__).with_name("vectors.json")
recorded = json.loads(here.read_text())["chromium"] if here.exists() else []
made = [
    es256("es256"),
    es256("es256, vouching for itself", self_attested=True),
    es256("es256, copied to other devices", flags=EVERY_DAY | FLAG.BE | FLAG.BS),
    es256("es256, not verified", flags=FLAG.UP),
    es256("es256, with an extension", extensions={"credProtect": 2, "hmac-secret": True}),
    eddsa("eddsa"),
    eddsa("eddsa, vouching for itself", self_attested=True),
]
json.dump({"fido2": made, "chromium": recorded}, sys.stdout, indent=1)
print()
