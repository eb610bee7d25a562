"""A key and a certificate for 127.0.0.1 and localhost, made anew for each run."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

PASSWORD = "changeit"


class Certificates:
    """`pem` has key and certificate, `ca` the certificate alone; `key_store` and `trust_store` are PKCS12."""

    def __init__(self, where: Path, host: str = "localhost") -> None:
        where.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        now = datetime.datetime.now(datetime.UTC)
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if host == "localhost":
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        public = certificate.public_bytes(serialization.Encoding.PEM)
        password = serialization.BestAvailableEncryption(PASSWORD.encode())
        self.pem, self.ca = where / "server.pem", where / "ca.pem"
        self.key_store, self.trust_store = where / "server.p12", where / "trust.p12"
        self.pem.write_bytes(secret + public)
        self.ca.write_bytes(public)
        self.key_store.write_bytes(
            pkcs12.serialize_key_and_certificates(b"server", key, certificate, None, password)
        )
        # Java takes only certificates that are marked as trusted.
        self.trust_store.write_bytes(
            pkcs12.serialize_java_truststore(
                [pkcs12.PKCS12Certificate(certificate, b"ca")], password
            )
        )
