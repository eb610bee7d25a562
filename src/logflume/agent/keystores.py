"""Keys and certificates out of the files that configurations name: PEM and PKCS12, told apart by their bytes."""

from __future__ import annotations

from logflume.errors import InvalidConfig, MissingExtra

__all__ = ["key_and_chain", "trusted"]

_JKS = b"\xfe\xed\xfe\xed"
_PEM = b"-----BEGIN "
_SIZE_MAX = 16 << 20


def key_and_chain(property: str, path: str, password: str | None) -> bytes:
    """A private key and its certificates as PEM. Raises InvalidConfig."""
    data = _read(property, path)
    if _PEM in data:
        return data
    from cryptography.hazmat.primitives import serialization

    key, first, others = _pkcs12(property, path, data, password)
    if key is None or first is None:
        raise InvalidConfig(name=property, value=path, reason="has no private key")
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return b"".join([secret, *(one.public_bytes(encoding) for one in (first, *others))])


def trusted(property: str, path: str, password: str | None) -> str:
    """Certificates as PEM. Raises InvalidConfig."""
    data = _read(property, path)
    if _PEM in data:
        return data.decode("ascii", "replace")
    from cryptography.hazmat.primitives import serialization

    _, first, others = _pkcs12(property, path, data, password)
    every = [one for one in (first, *others) if one is not None]
    if not every:
        raise InvalidConfig(name=property, value=path, reason="has no certificate")
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in every).decode()


def _read(property: str, path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_SIZE_MAX)
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise InvalidConfig(name=property, value=path, reason=reason) from error
    if data.startswith(_JKS):
        raise InvalidConfig(
            name=property,
            value=path,
            reason=f"is a JKS keystore, which only Java reads; convert it: keytool -importkeystore -srckeystore {path}"
            f" -destkeystore {path}.p12 -deststoretype PKCS12",
        )
    return data


def _pkcs12(property: str, path: str, data: bytes, password: str | None):  # type: ignore[no-untyped-def]
    """Key, its certificate, all others. The library's own types are many; what is done with them is above."""
    try:
        from cryptography.hazmat.primitives.serialization import pkcs12
    except ImportError as error:
        raise MissingExtra(what="a PKCS12 keystore", extra="agent", reason=str(error)) from error
    try:
        return pkcs12.load_key_and_certificates(
            data, None if password is None else password.encode()
        )
    except ValueError as error:
        raise InvalidConfig(
            name=property,
            value=path,
            reason=f"is neither PEM nor a PKCS12 keystore that this password opens: {error}",
        ) from None
