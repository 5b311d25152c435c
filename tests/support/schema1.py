"""Signing a Docker schema 1 manifest, so that a registry that still takes them takes it."""

from __future__ import annotations

import base64
import hashlib
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def sign_schema1(payload: bytes) -> bytes:
    """Sign a schema 1 manifest as libtrust does ("pretty" JWS: the signature goes into the JSON object itself)."""
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
    jwk = {
        "crv": "P-256",
        "kid": ":".join(text[start : start + 4] for start in range(0, len(text), 4)),
        "kty": "EC",
        "x": _b64url(numbers.x.to_bytes(32, "big")),
        "y": _b64url(numbers.y.to_bytes(32, "big")),
    }
    length = payload.rindex(b"\n}")
    protected = _b64url(
        json.dumps(
            {"formatLength": length, "formatTail": _b64url(payload[length:]), "time": "2026-01-01T00:00:00Z"}
        ).encode()
    )
    signed = f"{protected}.{_b64url(payload)}".encode()
    r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    signature = {
        "header": {"jwk": jwk, "alg": "ES256"},
        "signature": _b64url(r.to_bytes(32, "big") + s.to_bytes(32, "big")),
        "protected": protected,
    }
    return payload[:length] + b',\n   "signatures": ' + json.dumps([signature]).encode() + payload[length:]


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
