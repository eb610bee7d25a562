"""A certificate authority for one test run, and what it signs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import trustme

__all__ = ["Certificates", "make_certificates"]


class Certificates(NamedTuple):
    """Paths of PEM files."""

    authority: str
    server: str
    server_key: str
    client: str
    client_key: str
    stranger: str  # signed by somebody else; certificate and key


def make_certificates(where: Path) -> Certificates:
    """Make them all."""
    authority, other = trustme.CA(), trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1")
    client = authority.issue_cert("billing@example.org", common_name="billing")
    stranger = other.issue_cert("stranger@example.org", common_name="billing")
    paths = Certificates(
        *(str(where / name) for name in ("ca", "server", "server.key", "client", "client.key", "x"))
    )
    authority.cert_pem.write_to_path(paths.authority)
    server.cert_chain_pems[0].write_to_path(paths.server)
    server.private_key_pem.write_to_path(paths.server_key)
    client.cert_chain_pems[0].write_to_path(paths.client)
    client.private_key_pem.write_to_path(paths.client_key)
    stranger.private_key_and_cert_chain_pem.write_to_path(paths.stranger)
    return paths
