"""Properties of Java's Kafka clients as ours: `kafka.producer.*`, `kafka.consumer.*`.

A name that a producer or consumer of logflume has goes there; another goes to the connection, where librdkafka knows
most of Java's names (`security.protocol`, `sasl.mechanism`). What it spells otherwise is translated here; what only
Java can do is refused by name.
"""

from __future__ import annotations

import re

from logflume.agent.keystores import key_and_chain, trusted
from logflume.config import ConsumerConfig, ProducerConfig, parse
from logflume.errors import InvalidConfig
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Clients", "address_of", "read_clients"]

_SERIALIZERS = ("key.serializer", "value.serializer", "key.deserializer", "value.deserializer")
_JAVA_ONLY = (
    "interceptor.classes",
    "metric.reporters",
    "partitioner.class",
    "sasl.client.callback.handler.class",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "security.providers",
    "ssl.engine.factory.class",
    "ssl.provider",
    "ssl.trustmanager.algorithm",
    "ssl.keymanager.algorithm",
)
_STORES = (
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.key.password",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
)
_JAAS = re.compile(r"^\s*([\w.$]+)\s+\w+\s*(.*?)\s*;?\s*$", re.DOTALL)
_JAAS_OPTION = re.compile(r"""([\w.]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+))""")
_OURS = {
    "bootstrap.servers": "is kafka.bootstrap.servers",
    "enable.auto.commit": "positions are stored behind their events, never by the clock",
    "group.id": "is kafka.consumer.group.id",
    "transactional.id": "is made by the sink itself, one for each channel",
}


class Clients(NamedTuple):
    """Options of the connection (librdkafka's), of the producer and the consumer (ours)."""

    connection: dict[str, str]
    producer: dict[str, str]
    consumer: dict[str, str]


def address_of(servers: str) -> str:
    """What logflume.open is given. Raises InvalidConfig."""
    hosts = [host.strip() for host in servers.split(",") if host.strip()]
    if not hosts:
        raise InvalidConfig(
            name="kafka.bootstrap.servers", value=servers, reason="must name at least one server"
        )
    return f"kafka://{','.join(hosts)}"


def read_clients(producer: Mapping[str, str], consumer: Mapping[str, str]) -> Clients:
    """Both families of a component's properties. Raises InvalidConfig."""
    out = Clients({}, {}, {})
    for prefix, given, own, table in (
        ("kafka.producer.", producer, out.producer, ProducerConfig),
        ("kafka.consumer.", consumer, out.consumer, ConsumerConfig),
    ):
        names = {name: value for name, value in given.items() if name not in _SERIALIZERS}
        for name, value in names.items():
            if name in _OURS:
                raise InvalidConfig(name=prefix + name, value=value, reason=_OURS[name])
            if name in _JAVA_ONLY:
                raise InvalidConfig(
                    name=prefix + name,
                    value=value,
                    reason="names a Java class, and there is no Java",
                )
        _take_tls(prefix, names, out.connection)
        _take_jaas(prefix, names, out.connection)
        for name, value in names.items():
            (own if name in table.names else out.connection)[name] = value
        # Checked as it will be used: a source, a channel and a sink give their consumers a group.
        parse(table, {**own, "group.id": "g"} if table is ConsumerConfig else own, foreign={})
    return out


def _take_tls(prefix: str, names: dict[str, str], connection: dict[str, str]) -> None:
    """Java's stores as PEM texts, which librdkafka takes whatever the file was."""
    given = {name: names.pop(name) for name in _STORES if name in names}
    if path := given.get("ssl.truststore.location"):
        password = given.get("ssl.truststore.password")
        connection["ssl.ca.pem"] = trusted(f"{prefix}ssl.truststore.location", path, password)
    if path := given.get("ssl.keystore.location"):
        password = given.get("ssl.keystore.password")
        pem = key_and_chain(f"{prefix}ssl.keystore.location", path, password).decode()
        connection["ssl.key.pem"] = connection["ssl.certificate.pem"] = pem
        if secret := given.get("ssl.key.password"):
            connection["ssl.key.password"] = secret
    if names.get("ssl.endpoint.identification.algorithm") == "":
        names["ssl.endpoint.identification.algorithm"] = "none"


def _take_jaas(prefix: str, names: dict[str, str], connection: dict[str, str]) -> None:
    """Users and passwords out of the line that Java's login modules are configured by."""
    line = names.pop("sasl.jaas.config", None)
    if line is None:
        return
    found = _JAAS.match(line)
    module = found[1].rpartition(".")[2] if found else ""
    if found is None or module not in ("PlainLoginModule", "ScramLoginModule"):
        raise InvalidConfig(
            name=f"{prefix}sasl.jaas.config",
            value="(not shown)",
            reason=f"the login module {module or '(none)'} is not served; PlainLoginModule and ScramLoginModule are,"
            " for others give librdkafka's own options (sasl.kerberos.principal, sasl.oauthbearer.config)",
        )
    options = {
        name: quoted.replace('\\"', '"') or single or plain
        for name, quoted, single, plain in _JAAS_OPTION.findall(found[2])
    }
    for theirs, ours in (("username", "sasl.username"), ("password", "sasl.password")):
        if theirs not in options:
            raise InvalidConfig(
                name=f"{prefix}sasl.jaas.config", value="(not shown)", reason=f"has no {theirs}"
            )
        connection[ours] = options[theirs]
