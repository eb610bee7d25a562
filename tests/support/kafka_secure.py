"""A real Kafka that asks who is there: beside its open listener three with SASL, TLS and both."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from support import kafka_peer
from support.certificates import Certificates, make_certificates

USER, PASSWORD = "alice", "a-p4ssword, of tests"
SCRAM_PASSWORD = "an0ther-p4ssword"


class SecureBroker:
    """One node in `where`. `listeners`: host:port by SASL_PLAINTEXT, SASL_SSL, SSL."""

    def __init__(self, where: Path) -> None:
        self._broker = kafka_peer.Broker(where)
        self.open = self._broker.up()
        self._broker.down()
        self.certificates = make_certificates(where)
        kinds = ("SASL_PLAINTEXT", "SASL_SSL", "SSL")
        self.listeners = {kind: f"127.0.0.1:{_free_port()}" for kind in kinds}
        properties = where / "node1" / "server.properties"
        conf = json.loads((where / "cluster.json").read_text())["nodes"][0]
        own = f"PLAINTEXT://127.0.0.1:{conf['port']}"
        told = [own, *(f"{kind}://{at}" for kind, at in self.listeners.items())]
        lines = [
            f"listeners={','.join(told)},CONTROLLER://127.0.0.1:{conf['cport']}",
            f"advertised.listeners={','.join(told)}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
            + ",".join(f"{kind}:{kind}" for kind in kinds),
            "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512",
            "inter.broker.listener.name=PLAINTEXT",
            *_tls(where, self.certificates),
            "listener.name.ssl.ssl.client.auth=required",
        ]
        for kind in ("sasl_plaintext", "sasl_ssl"):
            lines += [
                f"listener.name.{kind}.plain.sasl.jaas.config="
                "org.apache.kafka.common.security.plain.PlainLoginModule required"
                f' user_{USER}="{PASSWORD}";',
                f"listener.name.{kind}.scram-sha-512.sasl.jaas.config="
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            ]
        with open(properties, "a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        self._broker.up()
        self._add_scram_user()

    def _add_scram_user(self) -> None:
        from confluent_kafka.admin import (
            AdminClient,
            ScramCredentialInfo,
            ScramMechanism,
            UserScramCredentialUpsertion,
        )

        client = AdminClient({"bootstrap.servers": self.open, "log_level": 0})
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        asked = UserScramCredentialUpsertion(USER, info, SCRAM_PASSWORD.encode())
        client.alter_user_scram_credentials([asked])[USER].result(60)

    def down(self) -> None:
        self._broker.down(wipe=True)


def _tls(where: Path, files: Certificates) -> list[str]:
    """Kafka reads PEM; its keys have to be PKCS8."""
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(Path(files.server_key).read_bytes(), None)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    store = where / "server.pem"
    store.write_bytes(pem + Path(files.server).read_bytes())
    return [
        "ssl.keystore.type=PEM",
        f"ssl.keystore.location={store}",
        "ssl.truststore.type=PEM",
        f"ssl.truststore.location={files.authority}",
    ]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
