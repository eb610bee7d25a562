"""TLS of sources and sinks: Flume's properties, and contexts made of them."""

from __future__ import annotations

import os
import ssl

from logflume.agent.keystores import key_and_chain, trusted
from logflume.agent.options import ComponentConfig, Words, setting
from logflume.config.kinds import Bool, Choice, Text
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = [
    "TlsClientConfig",
    "TlsServerConfig",
    "client_context",
    "openssl_name",
    "server_context",
]

_VERSIONS = {"tlsv1.2": ssl.TLSVersion.TLSv1_2, "tlsv1.3": ssl.TLSVersion.TLSv1_3}
_OLD = frozenset(("sslv2hello", "sslv2", "sslv3", "tls", "tlsv1", "tlsv1.0", "tlsv1.1"))
_KIND = Choice("JKS", "PKCS12", "PEM")
_KIND_DOC = (
    "What {} is. Looked for in the file itself; JKS is not read, the error says how to convert it."
)


class _Common(ComponentConfig, table="TLS"):
    """What both ends have."""

    ssl: bool = setting("ssl", False, Bool(), doc="TLS.", also=("enableSSL",))
    exclude_protocols: tuple[str, ...] = setting(
        "exclude-protocols",
        (),
        Words(),
        also=("excludeProtocols",),
        doc="Versions not to speak. TLS 1.2 and 1.3 are spoken; those before them never are.",
    )
    include_protocols: tuple[str, ...] = setting(
        "include-protocols", (), Words(), doc="The only versions to speak."
    )
    exclude_cipher_suites: tuple[str, ...] = setting(
        "exclude-cipher-suites", (), Words(), doc="Suites of TLS 1.2 not to use."
    )
    include_cipher_suites: tuple[str, ...] = setting(
        "include-cipher-suites", (), Words(), doc="The only suites of TLS 1.2 to use."
    )


class TlsServerConfig(_Common, table="TLS server"):
    """Flume guide, "SSL/TLS support", of a source."""

    keystore: str | None = setting(
        "keystore",
        None,
        Text(),
        doc="The server's key and certificates: PKCS12, or PEM (our own).",
    )
    keystore_password: str | None = setting(
        "keystore-password", None, Text(), also=("keystorePassword",), doc="Its password."
    )
    keystore_type: str = setting(
        "keystore-type", "JKS", _KIND, doc=_KIND_DOC.format("the keystore")
    )

    def check_component(self) -> None:
        if self.ssl and self.keystore is None:
            raise InvalidConfig(name="keystore", value=None, reason="must be given with ssl = true")


class TlsClientConfig(_Common, table="TLS client"):
    """Flume guide, "SSL/TLS support", of a sink."""

    truststore: str | None = setting(
        "truststore",
        None,
        Text(),
        doc="Certificates to trust: PKCS12, or PEM (our own). Without, the system's.",
    )
    truststore_password: str | None = setting(
        "truststore-password", None, Text(), doc="Its password."
    )
    truststore_type: str = setting(
        "truststore-type", "JKS", _KIND, doc=_KIND_DOC.format("the truststore")
    )
    trust_all_certs: bool = setting(
        "trust-all-certs", False, Bool(), doc="Trust any certificate, which keeps nobody out."
    )
    verify_hostname: bool = setting(
        "verify-hostname",
        True,
        Bool(),
        doc="The certificate must be for the host that was asked for. Flume does not look.",
        origin="logflume",
    )


def server_context(config: Any) -> ssl.SSLContext | None:
    """Of a `TlsServerConfig`; None without `ssl`. Raises InvalidConfig."""
    if not config.ssl:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem = key_and_chain("keystore", config.keystore, config.keystore_password)
    # OpenSSL reads files only. This one is memory: no key is written to a disk.
    fd = os.memfd_create("logflume-keystore")
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(pem)
        context.load_cert_chain(f"/proc/self/fd/{fd}", password=config.keystore_password or "")
    except (ssl.SSLError, OSError) as error:
        raise InvalidConfig(
            name="keystore", value=config.keystore, reason=f"cannot be used: {error}"
        ) from None
    finally:
        os.close(fd)
    _restrict(context, config)
    return context


def client_context(config: Any, *, always: bool = False) -> ssl.SSLContext | None:
    """Of a `TlsClientConfig`; None without `ssl`, unless `always`. Raises InvalidConfig."""
    if not config.ssl and not always:
        return None
    context = ssl.create_default_context()
    if config.truststore is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        pem = trusted("truststore", config.truststore, config.truststore_password)
        try:
            context.load_verify_locations(cadata=pem)
        except ssl.SSLError as error:
            raise InvalidConfig(
                name="truststore", value=config.truststore, reason=f"cannot be used: {error}"
            ) from None
    context.check_hostname = config.verify_hostname and not config.trust_all_certs
    if config.trust_all_certs:
        context.verify_mode = ssl.CERT_NONE
    _restrict(context, config)
    return context


def _restrict(context: ssl.SSLContext, config: Any) -> None:
    left = _protocols("exclude-protocols", config.exclude_protocols)
    asked = _protocols("include-protocols", config.include_protocols)
    spoken = [
        version
        for name, version in _VERSIONS.items()
        if name not in left and (not config.include_protocols or name in asked)
    ]
    if not spoken:
        raise InvalidConfig(
            name="include-protocols" if config.include_protocols else "exclude-protocols",
            value=" ".join(config.include_protocols or config.exclude_protocols),
            reason="leaves neither TLSv1.2 nor TLSv1.3, and older versions are not safe",
        )
    context.minimum_version, context.maximum_version = spoken[0], spoken[-1]
    _choose_suites(context, config)


def _protocols(property: str, names: Iterable[str]) -> set[str]:
    words = {name.lower() for name in names}
    for strange in sorted(words - _OLD - set(_VERSIONS)):
        raise InvalidConfig(
            name=property, value=strange, reason="is no version: TLSv1.2 and TLSv1.3 are"
        )
    return words


def _choose_suites(context: ssl.SSLContext, config: Any) -> None:
    if not config.include_cipher_suites and not config.exclude_cipher_suites:
        return
    for given, names in (
        ("include-cipher-suites", config.include_cipher_suites),
        ("exclude-cipher-suites", config.exclude_cipher_suites),
    ):
        for name in names:
            if "_WITH_" not in name:
                raise InvalidConfig(
                    name=given,
                    value=name,
                    reason="is no suite of TLS 1.2 (TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);"
                    " those of TLS 1.3 cannot be chosen, exclude TLSv1.3 instead",
                )
    asked = {openssl_name(name) for name in config.include_cipher_suites}
    left = {openssl_name(name) for name in config.exclude_cipher_suites}
    offered = [str(suite["name"]) for suite in context.get_ciphers()]
    kept = [name for name in offered if name not in left and (not asked or name in asked)]
    kept = [name for name in kept if not name.startswith("TLS_")]
    if not kept:
        raise InvalidConfig(
            name="include-cipher-suites" if asked else "exclude-cipher-suites",
            value=" ".join(config.include_cipher_suites or config.exclude_cipher_suites),
            reason="leaves no suite that OpenSSL offers",
        )
    context.set_ciphers(":".join(kept))


def openssl_name(name: str) -> str:
    """OpenSSL's name of a suite that Java (and IANA) call TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256."""
    exchange, _, cipher = name.removeprefix("TLS_").removeprefix("SSL_").partition("_WITH_")
    for size in ("128", "256"):
        cipher = cipher.replace(f"AES_{size}", f"AES{size}")
    cipher = cipher.replace("_CBC_", "_").replace("POLY1305_SHA256", "POLY1305")
    parts = [] if exchange == "RSA" else [exchange]
    return "_".join([*parts, cipher]).replace("_", "-")
