"""A real Flume's Avro and Thrift clients, sinks and sources against ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from logflume.agent.events import EventBatch
from support import flume_peer
from support.tls_files import PASSWORD, Certificates
from unit.agent.conftest import Flow
from unit.agent.sinking import opened

pytestmark = [pytest.mark.peers, pytest.mark.slow]

BODIES = [b"%d" % n for n in range(2000)]  # as Flume's sequence source makes them


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def flows() -> Iterator[list[Flow]]:
    made: list[Flow] = []
    yield made
    for one in made:
        one.stop()


def test_flumes_avro_client(tmp_path: Path, flows: list[Flow]) -> None:
    lines = [b"line %d \xc3\xa9" % n for n in range(1000)]
    (tmp_path / "lines").write_bytes(b"\n".join(lines) + b"\n")
    flows.append(Flow("avro", {"bind": "127.0.0.1", "port": "0"}).start())
    flume_peer.avro_client(flows[0].source.port, tmp_path / "lines")  # type: ignore[attr-defined]
    assert flows[0].bodies == lines


SINKS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    # name: (our source, Flume's sink)
    "plain": ({"type": "avro"}, {"type": "avro"}),
    "deflate": (
        {"type": "avro", "compression-type": "deflate"},
        {"type": "avro", "compression-type": "deflate", "compression-level": "9"},
    ),
    "thrift": ({"type": "thrift"}, {"type": "thrift"}),
    "binary": (
        {"type": "thrift", "protocol": "binary"},
        {"type": "thrift", "protocol": "binary"},
    ),
    "tls": ({"type": "avro", "ssl": "true"}, {"type": "avro", "ssl": "true"}),
    "both": (
        {"type": "avro", "ssl": "true", "compression-type": "deflate"},
        {"type": "avro", "ssl": "true", "compression-type": "deflate"},
    ),
    "thrift-tls": ({"type": "thrift", "ssl": "true"}, {"type": "thrift", "ssl": "true"}),
}


def test_flumes_sinks_into_our_sources(
    tmp_path: Path, flows: list[Flow], certificates: Certificates
) -> None:
    """Several flows of one agent, each a sequence into a sink of another kind."""
    lines = []
    for name, (ours, theirs) in SINKS.items():
        given = {"bind": "127.0.0.1", "port": "0", **ours}
        kind = given.pop("type")
        if "ssl" in given:
            given |= {"keystore": str(certificates.key_store), "keystore-password": PASSWORD}
            theirs = {
                **theirs,
                "truststore": str(certificates.trust_store),
                "truststore-password": PASSWORD,
                "truststore-type": "PKCS12",
            }
        one = Flow(kind, given).start()
        flows.append(one)
        lines += [
            f"a1.sources.{name}.type = seq",
            f"a1.sources.{name}.totalEvents = {len(BODIES)}",
            f"a1.sources.{name}.batchSize = 50",
            f"a1.sources.{name}.channels = {name}",
            f"a1.sources.{name}.interceptors = i",
            f"a1.sources.{name}.interceptors.i.type = static",
            f"a1.sources.{name}.interceptors.i.key = from",
            f"a1.sources.{name}.interceptors.i.value = {name}",
            f"a1.channels.{name}.type = memory",
            f"a1.sinks.{name}.channel = {name}",
            f"a1.sinks.{name}.hostname = 127.0.0.1",
            f"a1.sinks.{name}.port = {one.source.port}",  # type: ignore[attr-defined]
            *(f"a1.sinks.{name}.{key} = {value}" for key, value in theirs.items()),
        ]
    for kind in ("sources", "channels", "sinks"):
        lines.append(f"a1.{kind} = {' '.join(SINKS)}")
    (tmp_path / "flume.properties").write_text("\n".join(lines) + "\n")
    with flume_peer.agent(tmp_path / "flume.properties", "a1") as log:
        for name, one in zip(SINKS, flows, strict=True):
            assert one.until(len(BODIES), 60) == BODIES, f"{name}: {log.read_text()[-3000:]}"
            assert one.events[0][0] == {"from": name}


def test_our_sinks_into_flumes_sources(tmp_path: Path, certificates: Certificates) -> None:
    ports = {name: flume_peer.free_port() for name in SINKS}
    lines = []
    for name, (ours, _) in SINKS.items():
        (tmp_path / name).mkdir()
        given = dict(ours)
        if "ssl" in given:
            given |= {
                "keystore": str(certificates.key_store),
                "keystore-password": PASSWORD,
                "keystore-type": "PKCS12",
            }
        lines += [
            f"a1.sources.{name}.bind = 127.0.0.1",
            f"a1.sources.{name}.port = {ports[name]}",
            *(f"a1.sources.{name}.{key} = {value}" for key, value in given.items()),
            f"a1.sources.{name}.channels = {name}",
            f"a1.channels.{name}.type = memory",
            f"a1.channels.{name}.capacity = 10000",
            f"a1.channels.{name}.transactionCapacity = 1000",
            f"a1.sinks.{name}.type = file_roll",
            f"a1.sinks.{name}.sink.directory = {tmp_path / name}",
            f"a1.sinks.{name}.sink.serializer = header_and_text",
            f"a1.sinks.{name}.sink.rollInterval = 0",
            f"a1.sinks.{name}.channel = {name}",
        ]
    for kind in ("sources", "channels", "sinks"):
        lines.append(f"a1.{kind} = {' '.join(SINKS)}")
    (tmp_path / "flume.properties").write_text("\n".join(lines) + "\n")
    with flume_peer.agent(tmp_path / "flume.properties", "a1", *ports.values()):
        for name, (_, theirs) in SINKS.items():
            given = {key.replace("-", "_"): value for key, value in theirs.items()}
            kind = given.pop("type")
            if "ssl" in given:
                given["truststore"] = str(certificates.ca)
            with opened(kind, hostname="localhost", port=str(ports[name]), **given) as sink:
                for at in range(0, len(BODIES), 500):
                    sink.write(EventBatch(BODIES[at : at + 500], {"from": name}))
    # Stopped, so that Flume has written out what it holds.
    for name in SINKS:
        written = b"".join(path.read_bytes() for path in sorted((tmp_path / name).iterdir()))
        assert written == b"".join(b"{from=%b} %b\n" % (name.encode(), body) for body in BODIES)
