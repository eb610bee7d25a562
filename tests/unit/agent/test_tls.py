"""TLS of sources and sinks, and the keystores that configurations name."""

from __future__ import annotations

import json
import socket
import ssl
import urllib.request
from pathlib import Path

import pytest

from logflume.agent.events import EventBatch
from logflume.agent.options import parse_component
from logflume.agent.rpc.avro_calls import ClientSide
from logflume.agent.rpc.avro_frames import Frames
from logflume.agent.tls import (
    TlsClientConfig,
    TlsServerConfig,
    client_context,
    openssl_name,
    server_context,
)
from logflume.errors import DeliveryFailed, InvalidConfig
from support.tls_files import PASSWORD, Certificates

from .conftest import Make
from .running import send_and_be_cut_off
from .sinking import opened


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


def served(files: Certificates) -> dict[str, str]:
    return {"ssl": "true", "keystore": str(files.key_store), "keystore-password": PASSWORD}


def server(files: Certificates, **given: str) -> ssl.SSLContext:
    plain = {name.replace("_", "-"): value for name, value in given.items()}
    made = server_context(parse_component(TlsServerConfig, {**served(files), **plain}))
    assert made is not None
    return made


@pytest.mark.parametrize("trust", ["pem", "pkcs12"])
@pytest.mark.parametrize("keys", ["pem", "pkcs12"])
def test_avro_over_tls(flow: Make, files: Certificates, keys: str, trust: str) -> None:
    given = served(files) if keys == "pkcs12" else {"ssl": "true", "keystore": str(files.pem)}
    one = flow("avro", bind="127.0.0.1", port="0", **given).start()
    asked = {"truststore": str(files.ca)}
    if trust == "pkcs12":
        asked = {"truststore": str(files.trust_store), "truststore_password": PASSWORD}
    port = str(one.source.port)  # type: ignore[attr-defined]
    with opened("avro", hostname="localhost", port=port, ssl="true", **asked) as sink:
        sink.write(EventBatch([b"x"] * 5000))
    assert one.bodies == [b"x"] * 5000


def test_deflate_and_tls(flow: Make, files: Certificates) -> None:
    """TLS within deflate, as Flume 1.11's clients have it, and around it, as those before."""
    deflate = {"compression-type": "deflate"}
    one = flow("avro", bind="127.0.0.1", port="0", **served(files), **deflate).start()
    port = one.source.port  # type: ignore[attr-defined]
    asked = {"hostname": "localhost", "port": str(port), "compression_type": "deflate"}
    trust = {"ssl": "true", "truststore": str(files.ca)}
    with opened("avro", **asked, **trust) as sink:
        for _ in range(3):
            sink.write(EventBatch([b"%d" % n for n in range(5000)]))
    assert one.bodies == [b"%d" % n for n in range(5000)] * 3
    context = ssl.create_default_context(cafile=str(files.ca))
    with (
        socket.create_connection(("127.0.0.1", port), 60) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as outer,
    ):
        frames, calls = Frames(outer, "server", 1000, 9), ClientSide("server")
        frames.write(1, calls.call(EventBatch([b"old"])))
        answer = frames.read()
        assert answer is not None
        calls.check(answer[1])
    assert one.bodies[-1] == b"old"
    with opened("avro", **asked, ssl="true") as sink, pytest.raises(DeliveryFailed, match="verify"):
        sink.write(EventBatch([b"x"]))
    for junk in (b"\x16" + b"x" * 50, b"\x78\x9c" + b"x" * 50, b"x" * 50):
        with socket.create_connection(("127.0.0.1", port), 60) as stranger:
            send_and_be_cut_off(stranger, junk)


def test_a_stranger_is_not_trusted(flow: Make, files: Certificates, tmp_path: Path) -> None:
    one = flow("avro", bind="127.0.0.1", port="0", **served(files)).start()
    port = str(one.source.port)  # type: ignore[attr-defined]
    for asked in ({}, {"truststore": str(Certificates(tmp_path).ca)}):
        with opened("avro", hostname="localhost", port=port, ssl="true", **asked) as sink:
            with pytest.raises(DeliveryFailed, match="certificate verify failed"):
                sink.write(EventBatch([b"x"]))
            assert sink.counters["ConnectionFailedCount"] == 1
    with opened(
        "avro", hostname="localhost", port=port, ssl="true", trust_all_certs="true"
    ) as sink:
        sink.write(EventBatch([b"x"]))
    assert one.bodies == [b"x"]


def test_the_name_must_be_the_certificates(flow: Make, tmp_path: Path) -> None:
    files = Certificates(tmp_path, host="else.where")
    one = flow("avro", bind="127.0.0.1", port="0", **served(files)).start()
    port = str(one.source.port)  # type: ignore[attr-defined]
    asked = {"hostname": "localhost", "port": port, "ssl": "true", "truststore": str(files.ca)}
    with opened("avro", **asked) as sink, pytest.raises(DeliveryFailed, match=r"[Hh]ostname"):
        sink.write(EventBatch([b"x"]))
    with opened("avro", **asked, verify_hostname="false") as sink:
        sink.write(EventBatch([b"x"]))
    assert one.bodies == [b"x"]


def test_plain_clients_of_a_tls_source_are_cut_off(flow: Make, files: Certificates) -> None:
    one = flow("avro", bind="127.0.0.1", port="0", **served(files)).start()
    port = str(one.source.port)  # type: ignore[attr-defined]
    with opened("avro", hostname="localhost", port=port) as sink, pytest.raises(DeliveryFailed):
        sink.write(EventBatch([b"x"]))
    trusting = {"ssl": "true", "truststore": str(files.ca)}
    with opened("avro", hostname="localhost", port=port, **trusting) as sink:
        sink.write(EventBatch([b"y"]))
    assert one.bodies == [b"y"]


@pytest.mark.parametrize("kind", ["syslogtcp", "multiport_syslogtcp"])
def test_syslog_over_tls(flow: Make, files: Certificates, kind: str) -> None:
    where = {"port": "0"} if kind == "syslogtcp" else {"ports": "0"}
    one = flow(kind, host="127.0.0.1", **where, **served(files)).start()
    context = ssl.create_default_context(cafile=str(files.ca))
    port = one.source.ports[0]  # type: ignore[attr-defined]
    with (
        socket.create_connection(("127.0.0.1", port), 60) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.sendall(b"<13>Oct 11 22:14:15 here said: it\n")
        assert one.until(1) == [b"said: it"]


def test_http_over_tls(flow: Make, files: Certificates) -> None:
    old = {"enableSSL": "true", "keystore": str(files.pem), "excludeProtocols": "SSLv3 TLSv1.2"}
    one = flow("http", port="0", **old).start()
    context = ssl.create_default_context(cafile=str(files.ca))
    port = one.source.port  # type: ignore[attr-defined]
    data = json.dumps([{"body": "x"}]).encode()
    with urllib.request.urlopen(f"https://localhost:{port}/", data, 10, context=context) as got:
        assert got.status == 200
    assert one.bodies == [b"x"]


def test_protocols(files: Certificates) -> None:
    one = server(files, exclude_protocols="SSLv3 TLSv1 TLSv1.3")
    assert (one.minimum_version, one.maximum_version) == (ssl.TLSVersion.TLSv1_2,) * 2
    assert server(files, include_protocols="TLSv1.3").minimum_version == ssl.TLSVersion.TLSv1_3
    with pytest.raises(InvalidConfig, match="older versions are not safe"):
        server(files, include_protocols="TLSv1")
    with pytest.raises(InvalidConfig, match="is no version"):
        server(files, exclude_protocols="TLSv9")


def test_suites(files: Certificates) -> None:
    java = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"

    def old(context: ssl.SSLContext) -> list[str]:
        names = [str(suite["name"]) for suite in context.get_ciphers()]
        return [name for name in names if not name.startswith("TLS_")]

    assert old(server(files, include_cipher_suites=java)) == ["ECDHE-RSA-AES128-GCM-SHA256"]
    assert "ECDHE-RSA-AES128-GCM-SHA256" not in old(server(files, exclude_cipher_suites=java))
    with pytest.raises(InvalidConfig, match="leaves no suite"):
        server(files, include_cipher_suites="TLS_RSA_WITH_NULL_MD5")
    with pytest.raises(InvalidConfig, match=r"TLS 1\.3 cannot be chosen"):
        server(files, exclude_cipher_suites="TLS_AES_128_GCM_SHA256")


@pytest.mark.parametrize(
    ("java", "openssl"),
    [
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("TLS_RSA_WITH_AES_256_CBC_SHA256", "AES256-SHA256"),
        ("TLS_DHE_RSA_WITH_AES_256_CBC_SHA", "DHE-RSA-AES256-SHA"),
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
    ],
)
def test_names_of_suites(java: str, openssl: str) -> None:
    assert openssl_name(java) == openssl


def test_what_no_keystore_is(files: Certificates, tmp_path: Path) -> None:
    given = served(files)
    jks, junk = tmp_path / "a.jks", tmp_path / "junk"
    jks.write_bytes(b"\xfe\xed\xfe\xed\0\0\0\2")
    junk.write_bytes(b"junk")
    for changed, reason in [
        ({"keystore": str(jks)}, "keytool -importkeystore"),
        ({"keystore": str(junk)}, "neither PEM nor a PKCS12"),
        ({"keystore-password": "wrong"}, "neither PEM nor a PKCS12"),
        ({"keystore": str(files.trust_store)}, "has no private key"),
        ({"keystore": str(files.ca)}, "cannot be used"),
        ({"keystore": str(tmp_path / "none")}, "No such file"),
    ]:
        with pytest.raises(InvalidConfig, match=reason):
            server_context(parse_component(TlsServerConfig, {**given, **changed}))
    with pytest.raises(InvalidConfig, match="must be given with ssl"):
        parse_component(TlsServerConfig, {"ssl": "true"})
    junk.write_text("-----BEGIN NONSENSE-----")
    with pytest.raises(InvalidConfig, match="cannot be used"):
        client_context(parse_component(TlsClientConfig, {"ssl": "true", "truststore": str(junk)}))
