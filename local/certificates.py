"""Keys and certificates for the local stack and the tests, made without an openssl binary."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """An RSA key and its certificate, both PEM."""

    private_key: str = field(repr=False)
    certificate: str


def signing_pair(common_name: str = "geosync", *, days: int = 3650) -> KeyPair:
    """Make a self-signed pair as a registry's `rootcertbundle` and a token's signature want it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = _name(common_name)
    built = _builder(name, name, key.public_key(), days).add_extension(_usage(signature=True), critical=True)
    return _pair(key, built.sign(key, hashes.SHA256()))


def authority(common_name: str = "geosync test CA", *, days: int = 30) -> KeyPair:
    """Make a certificate authority."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = _name(common_name)
    built = (
        _builder(name, name, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _pair(key, built.sign(key, hashes.SHA256()))


def server_pair(issuer: KeyPair, host: str = "127.0.0.1", *, days: int = 30) -> KeyPair:
    """Make a server's pair, signed by an authority, for a host name or an address."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ca_key = serialization.load_pem_private_key(issuer.private_key.encode(), password=None)
    if not isinstance(ca_key, rsa.RSAPrivateKey):
        raise TypeError("the authority's key is not RSA")
    ca = x509.load_pem_x509_certificate(issuer.certificate.encode())
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    built = (
        _builder(_name(host), ca.subject, key.public_key(), days)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    return _pair(key, built.sign(ca_key, hashes.SHA256()))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, public_key: rsa.RSAPublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # An hour back: clocks of machines differ.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _usage(*, signature: bool = False, certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pair(key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> KeyPair:
    return KeyPair(
        private_key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(),
    )
