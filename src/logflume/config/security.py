"""Options about who may connect to a broker and what he may do: part of the table `broker`."""

from __future__ import annotations

from logflume.config.kinds import INT_MAX, Bool, Choice, Choices, Duration, Int, Secret, Size, Text
from logflume.config.option import option

__all__ = ["SecurityOptions"]

_OWN = "logflume"


class SecurityOptions:
    """TLS, logins, ACLs, and what a single client may take."""

    acl_enable: bool = option(
        False,
        Bool(),
        doc="Hold every request against the directory's ACLs: what none allows is refused. In Kafka a class does"
        " that (authorizer.class.name).",
        origin=_OWN,
    )
    advertised_listeners: str | None = option(
        None,
        Text(),
        doc="What clients are told to connect to, where that is not what is listened on:"
        " NAME://HOST:PORT, with commas.",
    )
    allow_everyone_if_no_acl_found: bool = option(
        False,
        Bool(),
        doc="With acl.enable: allow what is done to something that no ACL names.",
    )
    connection_failed_authentication_delay_ms: int = option(
        100,
        Duration(max=60_000),
        doc="Time between a failed login and the end of the connection, so that guessing is slow.",
    )
    connection_login_timeout_ms: int = option(
        10_000,
        Duration(min=10, max=INT_MAX),
        doc="Time for a TLS handshake, and for a login; then the connection is closed.",
        origin=_OWN,
    )
    connections_max_reauth_ms: int = option(
        0,
        Duration(),
        doc="How long a login holds: a client that has not logged in again by then is cut off; 0 for ever.",
    )
    listener_security_protocol_map: str | None = option(
        None,
        Text(),
        doc="What the names of listeners mean: NAME:PROTOCOL, with commas. The four protocols are names, too.",
    )
    max_connection_creation_rate: int = option(
        INT_MAX,
        Int(min=1),
        doc="New connections a second, from everybody together; further ones are closed at once.",
    )
    max_connections_per_ip: int = option(
        INT_MAX, Int(min=0), doc="Connections at a time from one address."
    )
    max_connections_per_ip_overrides: str | None = option(
        None, Text(), doc="The same for single addresses: ADDRESS:NUMBER, with commas."
    )
    queued_max_login_bytes: int = option(
        8 << 20,
        Size(min=1024),
        doc="What the requests of all clients that have not logged in may hold in memory.",
        origin=_OWN,
    )
    quota_window_num: int = option(
        11,
        Int(min=2, max=1000),
        doc="With quota.window.size.seconds: how much a client may save up.",
    )
    quota_window_size_seconds: int = option(
        1,
        Int(min=1, max=3600),
        doc="A client that kept below its quota for quota.window.num - 1 times as long may use that at once.",
    )
    sasl_enabled_mechanisms: tuple[str, ...] = option(
        ("SCRAM-SHA-256", "SCRAM-SHA-512"),
        Choices("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        doc="How clients of the SASL listeners log in. PLAIN sends the password itself, so it wants TLS."
        " Kafka's default is GSSAPI.",
    )
    sasl_server_max_receive_size: int = option(
        64 << 10,
        Size(min=256, max=1 << 20),
        doc="Largest request of a client that has not logged in. Kafka's default is 512 KiB.",
    )
    ssl_ca_location: str | None = option(
        None,
        Text(),
        doc="PEM file with the certificates that clients' own are to be signed by.",
        also=("ssl.truststore.location",),
        origin=_OWN,
    )
    ssl_certificate_location: str | None = option(
        None,
        Text(),
        doc="PEM file with the broker's certificate, and those between it and the root.",
        also=("ssl.keystore.location",),
        origin=_OWN,
    )
    ssl_cipher_suites: str | None = option(
        None, Text(), doc="Ciphers for TLS 1.2, by OpenSSL's names, with colons."
    )
    ssl_client_auth: str = option(
        "none",
        Choice("none", "requested", "required"),
        doc="Whether clients of SSL listeners show a certificate, whose subject is their name then.",
    )
    ssl_enabled_protocols: tuple[str, ...] = option(
        ("TLSv1.2", "TLSv1.3"),
        Choices("TLSv1.2", "TLSv1.3"),
        doc="Versions of TLS that are spoken.",
    )
    ssl_key_location: str | None = option(
        None,
        Text(),
        doc="PEM file with the certificate's private key; without it, the certificate's file has it.",
        origin=_OWN,
    )
    ssl_key_password: str | None = option(
        None, Secret(), doc="Password of the private key.", also=("ssl.keystore.password",)
    )
    ssl_keystore_type: str = option(
        "PEM", Choice("PEM"), doc="What the files are. Kafka's default is JKS."
    )
    ssl_truststore_type: str = option(
        "PEM", Choice("PEM"), doc="What the files are. Kafka's default is JKS."
    )
    super_users: str | None = option(
        None,
        Text(),
        doc="Principals that ACLs do not bind: User:NAME, with semicolons.",
    )
