"""The cluster's own authority and what it signs: the server, and the administrator.

P-256 throughout. Go looks at subjectAltName alone and never at the common name; Python 3.13 and
later want key identifiers (X509_STRICT). What is there already is kept, so that a restart of the
control plane changes nothing for its clients.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_FOR = timedelta(days=3650)
BACKDATED = timedelta(hours=1)
"""Clients' clocks may be a little behind."""
DNS_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
LOOPBACK = ("127.0.0.1", "::1")

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """The CA of one cluster, in `directory` (made with mode 0700).

    Files: `ca.crt`, `ca.key`, and `NAME.crt`, `NAME.key` of what was signed; keys have mode 0600.
    """

    def __init__(self, directory: Path, cluster: str) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        pair = self._read("ca")
        if pair is None:
            key = ec.generate_private_key(ec.SECP256R1())
            subject = _subject(f"emucluster {cluster}")
            builder = _builder(subject, subject, key.public_key())
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            builder = builder.add_extension(_usage(signs=True), True)
            pair = self._write("ca", _signed(builder, key), key)
        self.certificate = pair.certificate
        self._ca = x509.load_pem_x509_certificate(pair.certificate)
        loaded = serialization.load_pem_private_key(pair.key, password=None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self._key = loaded

    @property
    def path(self) -> Path:
        """Of the authority's certificate."""
        return self._directory / "ca.crt"

    def server(self, addresses: Iterable[str]) -> ssl.SSLContext:
        """TLS for a server at these addresses, at names of `kubernetes` and on the loopback.

        Client certificates are asked for and not required; one of another authority ends the
        handshake. HTTP/1.1 alone is offered.
        """
        names = sorted({*LOOPBACK, *addresses, "10.96.0.1"})
        pair = self._read("server")
        if pair is None or _addresses(pair) != names:
            alternative: list[x509.GeneralName] = [x509.DNSName(name) for name in DNS_NAMES]
            alternative += [x509.IPAddress(ip_address(address)) for address in names]
            self._issue("server", _subject("kube-apiserver"), alternative)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._directory / "server.crt", self._directory / "server.key")
        context.load_verify_locations(self.path)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def client(self, name: str, groups: Iterable[str]) -> Pair:
        """The client certificate of a user: CN is his name, O are his groups."""
        return self._read(name) or self._issue(name, _subject(name, groups), [])

    def _issue(self, name: str, subject: x509.Name, alternative: list[x509.GeneralName]) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(self._ca.subject, subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(_usage(signs=False), True)
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH
        if alternative:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternative), False)
            purpose = ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, False)
        return self._write(name, _signed(builder, self._key), key)

    def _read(self, name: str) -> Pair | None:
        try:
            certificate = (self._directory / f"{name}.crt").read_bytes()
            return Pair(certificate, (self._directory / f"{name}.key").read_bytes())
        except FileNotFoundError:
            return None

    def _write(self, name: str, certificate: x509.Certificate, key: Key) -> Pair:
        pem = serialization.Encoding.PEM
        private = key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pair = Pair(certificate.public_bytes(pem), private)
        # The key first: a certificate without one would be taken for a finished pair.
        write_private(self._directory / f"{name}.key", pair.key)
        write_private(self._directory / f"{name}.crt", pair.certificate)
        return pair


def write_private(path: Path, data: bytes) -> None:
    """Put a file of mode 0600 in place, whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.replace(draft, path)


def _subject(name: str, groups: Iterable[str] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    """Of an authority (`signs`), or of those whom it vouches for."""
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: x509.CertificateBuilder, key: Key) -> x509.Certificate:
    return builder.sign(key, hashes.SHA256())


def _addresses(pair: Pair) -> list[str]:
    """Those that a server's certificate is good for."""
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found: list[IPv4Address | IPv6Address] = []
    for address in names.get_values_for_type(x509.IPAddress):
        assert isinstance(address, IPv4Address | IPv6Address)
        found.append(address)
    return sorted(str(address) for address in found)
