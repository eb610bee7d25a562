"""`logflume serve` as a process: how it starts, what it refuses, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

import logflume
from logflume.errors import InvalidConfig

COMMAND = [sys.executable, "-m", "logflume", "--json", "serve"]


@contextmanager
def serving(directory: Path, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A broker process and where it listens; killed at the end when it still runs."""
    with subprocess.Popen(
        [*COMMAND, str(directory), "--listen", "127.0.0.1:0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # As most shells have it: the line must come without Python's being told to write at once.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    ) as process:
        try:
            assert process.stdout is not None
            text = b""
            while not text.rstrip().endswith(b"}"):
                line = process.stdout.readline()
                assert line, process.stderr.read() if process.stderr else b""
                text += line
            yield process, json.loads(text)["bootstrap"]
        finally:
            if process.poll() is None:
                process.kill()


def test_it_starts_serves_and_stops(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as (process, bootstrap):
        producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        producer.produce("made-by-asking", b"x")
        assert producer.flush(60) == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    with logflume.open(tmp_path / "data") as log:
        assert [r.value for r in log.partition("made-by-asking", 0).read_batch(0)] == [b"x"]
        assert log.partition("made-by-asking", 0).recovery.clean


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[bytes] = []

    def note(error: object, message: Message) -> None:
        if error is None:
            acknowledged.append(message.value())

    with serving(tmp_path / "data") as (process, bootstrap):
        producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "linger.ms": 1,
                "enable.idempotence": True,  # what is sent again after a slow answer is neither twice nor later
                "log_level": 0,
            }
        )
        made = producer.list_topics("t", timeout=30).topics["t"]  # made by asking
        assert made.error is None
        deadline = time.monotonic() + 60.0
        number = 0
        while len(acknowledged) < 10_000 and time.monotonic() < deadline:
            if len(producer) < 10_000:
                producer.produce("t", b"%d" % number, on_delivery=note)
                number += 1
            producer.poll(0.0005)
        process.kill()
        process.wait(60)
        producer.purge()
        producer.flush(60)
    assert len(acknowledged) > 100
    with logflume.open(tmp_path / "data") as log:
        there = [r.value for r in log.partition("t", 0).read_batch(0, 10_000_000, 1 << 30)]
    assert there[: len(acknowledged)] == acknowledged


def test_kill_9_loses_no_topic_that_was_acknowledged(tmp_path: Path) -> None:
    names: set[str] = set()
    for turn in range(3):
        with serving(tmp_path / "data") as (process, bootstrap):
            admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
            # The first thing that it is asked: it knows what was made before it.
            assert names <= set(admin.list_topics(timeout=60).topics)
            for number in range(5):
                name = f"t{turn}-{number}"
                admin.create_topics([NewTopic(name, 2)])[name].result(60)
                names.add(name)
            process.kill()
            process.wait(60)
        with logflume.open(tmp_path / "data") as log:
            assert names <= set(log.topics())
            assert log.partition(f"t{turn}-4", 1).end_offset == 0


def test_options_of_the_broker_and_of_the_directory(tmp_path: Path) -> None:
    with serving(
        tmp_path / "data", "--config", "num.partitions=3", "--config", "max.connections=5"
    ) as (_, bootstrap):
        producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        assert len(producer.list_topics("t", timeout=60).topics["t"].partitions) == 3


def test_options_of_a_file_and_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broker.toml").write_text(
        'num.partitions = 2\nmax.connections = 5\nlogging.format = "json"\n'
    )
    monkeypatch.setenv("LOGFLUME_NUM_PARTITIONS", "4")
    monkeypatch.setenv("LOGFLUME_MAX_CONNECTION", "1")
    with serving(tmp_path / "data", "--config", str(tmp_path / "broker.toml")) as (
        process,
        bootstrap,
    ):
        producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        assert len(producer.list_topics("t", timeout=60).topics["t"].partitions) == 4
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr is not None
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
    assert [line["event"] for line in lines] == ["unknown_variable", "listening", "stopped"], lines
    assert lines[0]["nearest"] == "LOGFLUME_MAX_CONNECTIONS"


def test_a_wrong_option_in_a_file_is_named_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "broker.toml").write_text("max.conections = 5")
    done = subprocess.run(
        [*COMMAND, str(tmp_path / "data"), "--config", str(tmp_path / "broker.toml")],
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1
    assert b"did you mean 'max.connections'? (in " in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.168.1.1:0", "example.org:0"])
def test_it_does_not_listen_beyond_this_machine_unless_told(tmp_path: Path, listen: str) -> None:
    done = subprocess.run(
        [*COMMAND, str(tmp_path / "data"), "--listen", listen],
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1
    assert b"--insecure" in done.stderr


@pytest.mark.parametrize(
    "listen", ["", "9092", "localhost", "localhost:", ":9092", "localhost:x", "::1:9092", "h:65536"]
)
def test_an_address_that_is_none_is_refused(log: logflume.Log, listen: str) -> None:
    with pytest.raises(InvalidConfig, match="listen"):
        logflume.serve(log, listen)


def test_insecure_is_taken_at_its_word(log: logflume.Log) -> None:
    with logflume.serve(log, "0.0.0.0:0", insecure=True) as broker:
        port = broker.bootstrap.rpartition(":")[2]
        client = Producer({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
        assert client.list_topics(timeout=60).brokers


def test_a_taken_address_is_an_error_and_leaves_nothing_behind(log: logflume.Log) -> None:
    with logflume.serve(log) as broker:
        with pytest.raises(OSError, match=r"in use"):
            logflume.serve(log, broker.bootstrap)
        assert Producer({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=60).brokers
    assert not log.closed


def test_a_directory_by_its_path_is_closed_with_the_broker(tmp_path: Path) -> None:
    with logflume.serve(tmp_path / "data", num_partitions=2) as broker:
        assert broker.bootstrap
    broker.close()  # again, which is nothing
    assert broker.closed
    assert os.path.exists(tmp_path / "data" / "meta.properties")


def test_a_broker_does_without_hypothesis(tmp_path: Path) -> None:
    """kio imports it where it is installed, which took most of the start."""
    code = (
        "import sys, logflume.broker.messages as m; m.preload();"
        "assert 'kio.static._phantom' in sys.modules; assert 'hypothesis' not in sys.modules;"
        "import hypothesis, kio.schema.metadata.v12.request"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_broker_listens_before_it_imports_what_only_clients_need(tmp_path: Path) -> None:
    code = """
import asyncio, sys
from logflume.broker.server import Broker
from logflume.coordinator.transactions.directory import TransactionalDirectory

LATER = ("handlers.fetch", "handlers.produce", "groups", "transactions", "connection", "messages")

def there():
    return [name for name in LATER if f"logflume.broker.{name}" in sys.modules]

async def run(directory):
    broker = Broker(directory, "127.0.0.1:0")
    await broker.start()
    assert broker.is_listening and not there(), there()
    await broker.stop()

directory = TransactionalDirectory(sys.argv[1])
asyncio.run(run(directory))
directory.close()
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)


def test_two_threads_that_import_kio_at_once_both_have_it() -> None:
    """The broker does at its start, in a thread; the first client's request does in the event loop."""
    code = """
import threading
import logflume.broker.kio_import as ours

failed = []
def import_it():
    try:
        ours.import_kio()
    except BaseException as error:
        failed.append(error)

second = threading.Thread(target=import_it)
asked = ours._without_hypothesis
def in_the_middle(name, *args, **kwargs):
    if name.startswith("hypothesis"):
        second.start()
        second.join(0.5)  # it has to wait for the whole module
        assert second.is_alive(), failed
    return asked(name, *args, **kwargs)

ours._without_hypothesis = in_the_middle
import_it()
second.join()
assert not failed, failed
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
