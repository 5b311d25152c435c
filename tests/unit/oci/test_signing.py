"""Tokens of our own: the key's id, the claims, the chain, and what a wrong key says."""

from __future__ import annotations

import base64
import hashlib
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from local.certificates import KeyPair, signing_pair

from geosync.errors import ConfigurationError
from geosync.oci.credentials import RegistryKey
from geosync.oci.signing import Signer, key_id, thumbprint

# A modulus of 2048 bits that is easy to write down; nothing is ever signed with it.
PUBLIC_MODULUS_HEX = "c0" + "ab" * 254 + "01"


@pytest.fixture(scope="module")
def pair() -> KeyPair:
    return signing_pair("test")


def credentials(pair: KeyPair, **more: object) -> RegistryKey:
    return RegistryKey(private_key=pair.private_key, issuer="geo", service="container_registry", **more)  # type: ignore[arg-type]


def _der_length(size: int) -> bytes:
    if size < 128:
        return bytes([size])
    body = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(body)]) + body


def _der(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + _der_length(len(content)) + content


def test_the_key_id_is_libtrusts() -> None:
    """The DER is written out by hand here, so that no library's idea of SubjectPublicKeyInfo decides."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    modulus, exponent = int(PUBLIC_MODULUS_HEX, 16), 65537
    rsa_key = _der(0x30, _der(0x02, b"\0" + modulus.to_bytes(256, "big")) + _der(0x02, exponent.to_bytes(3, "big")))
    algorithm = _der(0x30, _der(0x06, bytes.fromhex("2a864886f70d010101")) + _der(0x05, b""))
    info = _der(0x30, algorithm + _der(0x03, b"\0" + rsa_key))
    letters = base64.b32encode(hashlib.sha256(info).digest()[:30]).decode()
    expected = ":".join(letters[start : start + 4] for start in range(0, 48, 4))
    assert key_id(RSAPublicNumbers(exponent, modulus).public_key()) == expected
    # The same as a constant: an error in both would not be seen otherwise.
    assert expected == "Z2EZ:3JWE:D4TY:4M62:I3VM:OBJ6:74KM:NKBI:7GY6:QEKQ:T5D2:W33C"


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    """The key and its thumbprint are those of RFC 7638, section 3.1."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn"
        "jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6"
        "qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8aw"
        "apJzKnqDKgw"
    )
    number = int.from_bytes(base64.urlsafe_b64decode(modulus + "=="), "big")
    key = RSAPublicNumbers(65537, number).public_key()
    assert thumbprint(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("kid", ["rfc7638", "signing-2026"])
def test_the_key_id_of_a_jwks_is_named_or_computed(pair: KeyPair, kid: str) -> None:
    public = load_pem_private_key(pair.private_key.encode(), None).public_key()
    expected = thumbprint(public) if kid == "rfc7638" else kid  # type: ignore[arg-type]
    signer = Signer(credentials(pair, kid=kid))
    assert signer.kid == expected
    assert jwt.get_unverified_header(signer.sign([]))["kid"] == expected


def test_the_claims_are_what_a_registry_checks(pair: KeyPair) -> None:
    before = int(time.time())
    token = Signer(credentials(pair, lifetime_s=120)).sign([{"type": "repository", "name": "a/b", "actions": ["pull"]}])
    key = load_pem_private_key(pair.private_key.encode(), None).public_key()
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="container_registry", issuer="geo")  # type: ignore[arg-type]
    assert claims["aud"] == "container_registry"
    assert claims["access"] == [{"type": "repository", "name": "a/b", "actions": ["pull"]}]
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] == claims["iat"] + 120
    assert claims["nbf"] == claims["iat"] - 5
    assert isinstance(claims["exp"], int)
    assert "sub" not in claims


def test_the_header_has_the_key_id_and_a_chain_only_where_one_was_given(pair: KeyPair) -> None:
    plain = jwt.get_unverified_header(Signer(credentials(pair)).sign([]))
    assert plain["alg"] == "RS256"
    assert len(plain["kid"].split(":")) == 12
    assert "x5c" not in plain
    chained = jwt.get_unverified_header(Signer(credentials(pair, certificate=pair.certificate)).sign([]))
    inner = "".join(pair.certificate.strip().splitlines()[1:-1])
    assert chained["x5c"] == [inner]


def test_no_two_tokens_are_the_same(pair: KeyPair) -> None:
    signer = Signer(credentials(pair))
    assert signer.sign([]) != signer.sign([])


def test_a_certificate_of_another_key_is_a_configuration_error(pair: KeyPair) -> None:
    other = signing_pair("other")
    with pytest.raises(ConfigurationError, match="does not belong"):
        Signer(credentials(pair, certificate=other.certificate))


@pytest.mark.parametrize(
    "broken", ["", "not a key", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"]
)
def test_a_malformed_key_is_a_configuration_error_that_does_not_quote_it(broken: str) -> None:
    wrong = RegistryKey(private_key=broken, issuer="geo", service="s")
    with pytest.raises(ConfigurationError, match="private_key") as caught:
        Signer(wrong)
    assert "c2VjcmV0" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_key_that_is_not_rsa_is_a_configuration_error() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(ConfigurationError, match="not an RSA key"):
        Signer(RegistryKey(private_key=pem, issuer="geo", service="s"))
