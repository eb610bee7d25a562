"""TLS for listeners, by the standard library's ssl (OpenSSL)."""

from __future__ import annotations

import ssl

from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.config import BrokerConfig

__all__ = ["principal_of", "server_context"]

_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_CLIENT_AUTH = {
    "none": ssl.CERT_NONE,
    "requested": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
# OpenSSL's long names, as RFC 2253 abbreviates them; Kafka's principals have the short ones.
_SHORT = {
    "commonName": "CN",
    "organizationalUnitName": "OU",
    "organizationName": "O",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
_ESCAPED = ',+"\\<>;'


def server_context(config: BrokerConfig) -> ssl.SSLContext:
    """What TLS listeners share. Raises InvalidConfig, naming the option that is wrong."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    versions = [_VERSIONS[name] for name in config.ssl_enabled_protocols]
    context.minimum_version, context.maximum_version = min(versions), max(versions)
    context.options |= ssl.OP_NO_RENEGOTIATION
    if config.ssl_cipher_suites is not None:
        try:
            context.set_ciphers(config.ssl_cipher_suites)
        except ssl.SSLError as error:
            raise _wrong("ssl.cipher.suites", config.ssl_cipher_suites, error) from None
    certificate = config.ssl_certificate_location
    if certificate is None:
        raise InvalidConfig(
            name="ssl.certificate.location", value=None, reason="a TLS listener needs a certificate"
        )
    key = config.ssl_key_location
    try:
        # Without a password OpenSSL would ask on the terminal.
        context.load_cert_chain(certificate, key, lambda: config.ssl_key_password or "")
    except OSError as error:  # SSLError is one
        name = "ssl.key.location" if key is not None else "ssl.certificate.location"
        raise _wrong(name, f"{certificate}, {key}" if key else certificate, error) from None
    context.verify_mode = _CLIENT_AUTH[config.ssl_client_auth]
    if context.verify_mode != ssl.CERT_NONE:
        _trust(context, config.ssl_ca_location)
    return context


def _trust(context: ssl.SSLContext, location: str | None) -> None:
    if location is None:
        raise InvalidConfig(
            name="ssl.ca.location",
            value=None,
            reason="ssl.client.auth needs it to know whom to trust",
        )
    try:
        context.load_verify_locations(location)
    except OSError as error:
        raise _wrong("ssl.ca.location", location, error) from None


def _wrong(name: str, value: str, error: OSError) -> InvalidConfig:
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    return InvalidConfig(name=name, value=value, reason=f"cannot be used: {reason}")


def principal_of(certificate: Any) -> str | None:
    """The principal that a verified certificate (`SSLObject.getpeercert()`) stands for; None where there is none.

    As Kafka's default: "User:" and the subject as RFC 2253 writes it, "CN=billing,OU=data,O=Example".
    """
    subject = (certificate or {}).get("subject")
    if not subject:
        return None
    parts = [
        "+".join(f"{_SHORT.get(name, name)}={_escape(value)}" for name, value in rdn)
        for rdn in reversed(subject)
    ]
    return f"User:{','.join(parts)}"


def _escape(value: str) -> str:
    text = "".join(f"\\{c}" if c in _ESCAPED else c for c in value)
    if text[:1] in ("#", " "):
        text = "\\" + text
    return text[:-1] + "\\ " if text.endswith(" ") and len(value) > 1 else text
