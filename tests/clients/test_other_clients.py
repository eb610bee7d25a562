"""Clients in other languages: kcat (C), sarama and franz-go (Go), kafkajs (Node), each with all codecs it has, and a
group; Kafka Streams (Java).

kcat is a Debian package; the others are fetched by their own package managers into a folder of the user, so
their tests have the mark `peers`. What cannot be had is skipped, and says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import logflume
from logflume.broker import ThreadedBroker
from logflume.coordinator.offsets_topic import open_offsets
from support.certificates import Certificates

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
HERE = Path(__file__).parent / "other"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "logflume-clients"
COUNT = 200


def found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed: its client was not tried")
    return path


def run(*words: str, where: Path | None = None, timeout: float = 60, feed: str = "") -> str:
    done = subprocess.run(
        words, cwd=where, capture_output=True, text=True, timeout=timeout, input=feed, check=False
    )
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def installed(name: str, files: dict[str, str], *command: str) -> Path:
    """A folder with these files of ours in which the command has been run once, and again when they change; skips
    where it cannot be."""
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    for source, target in files.items():
        shutil.copy(HERE / source, folder / target)
    mark = folder / ".done"
    made_of = "\0".join([*command, *((HERE / source).read_text() for source in files)])
    if not mark.exists() or mark.read_text() != made_of:
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=240, check=False
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"{name} was not to be had within 240 s: it was not tried")
        if done.returncode:
            pytest.skip(f"{name} cannot be had here: {done.stderr[-300:]}")
        mark.write_text(made_of)
    return folder


def values(log: logflume.Log) -> list[bytes]:
    return [bytes(record.value or b"") for record in log.partition("t", 0).read_batch(0).records()]


@pytest.mark.parametrize("codec", CODECS)
def test_kcat_writes_and_reads(broker: ThreadedBroker, log: logflume.Log, codec: str) -> None:
    kcat = found("kcat")
    log.create_topic("t")
    lines = [f"line {n}" for n in range(COUNT)]
    packed = () if codec == "none" else ("-z", codec)
    run(kcat, "-b", broker.bootstrap, "-P", "-t", "t", *packed, feed="\n".join(lines))
    assert values(log) == [line.encode() for line in lines]
    got = run(kcat, "-b", broker.bootstrap, "-C", "-t", "t", "-o", "beginning", "-e", "-q")
    assert got.splitlines() == lines
    told = run(kcat, "-b", broker.bootstrap, "-L")
    assert 'topic "t" with 1 partitions' in told


def test_kcat_logs_in(
    serve_securely: Callable[..., ThreadedBroker],
    certificates: Certificates,
    log: logflume.Log,
) -> None:
    """Debian's librdkafka is years older than the one that confluent-kafka brings. (Its SCRAM repeats the client's
    nonce, which newer Kafkas refuse as well.)"""
    kcat = found("kcat")
    log.create_topic("t")
    config = {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": certificates.authority,
        "sasl.mechanism": "PLAIN",
        "sasl.username": "erna",
        "sasl.password": "sécret, =",
    }
    words = [word for name, value in config.items() for word in ("-X", f"{name}={value}")]
    broker = serve_securely("SASL_SSL")
    run(kcat, "-b", broker.bootstrap, *words, "-P", "-t", "t", feed="one\ntwo")
    assert values(log) == [b"one", b"two"]


def test_kcat_reads_in_a_group(broker: ThreadedBroker, log: logflume.Log) -> None:
    kcat = found("kcat")
    log.create_topic("t", partitions=3)
    for number in range(3):
        log.partition("t", number).append_many([b"%d" % number] * 10)
    group = ("-G", "g", "-X", "auto.offset.reset=earliest", "-c", "30", "-q", "t")
    got = run(kcat, "-b", broker.bootstrap, *group)
    assert sorted(got.split()) == ["0"] * 10 + ["1"] * 10 + ["2"] * 10


def kafkajs(program: str) -> Path:
    found("npm")
    # Its codecs but gzip are packages of their own.
    command = ("npm", "install", "--no-audit", "--no-fund", "kafkajs@2")
    return installed(program, {f"{program}.js": "main.js"}, *command)


def sarama(program: str) -> Path:
    found("go")
    files = {f"{program}.go.txt": "main.go", "sarama.mod.txt": "go.mod"}
    return installed(program, files, "sh", "-c", "go mod tidy && go build -o sarama .")


@pytest.mark.peers
@pytest.mark.timeout(400)
def test_kafkajs_writes_and_reads_in_a_group(broker: ThreadedBroker, log: logflume.Log) -> None:
    node = found("node")
    folder = kafkajs("kafkajs")
    for codec in ("none", "gzip"):
        topic = f"t-{codec}"
        log.create_topic(topic, partitions=2)
        got = run(node, "main.js", broker.bootstrap, topic, codec, str(COUNT), where=folder)
        assert sorted(got.split()) == sorted(f"{codec}-{n}" for n in range(COUNT))


@pytest.mark.peers
@pytest.mark.timeout(600)
def test_sarama_writes_and_reads_in_a_group(broker: ThreadedBroker, log: logflume.Log) -> None:
    folder = sarama("sarama")
    for codec in CODECS:
        topic = f"t-{codec}"
        log.create_topic(topic, partitions=2)
        words = (str(folder / "sarama"), broker.bootstrap, topic, codec, str(COUNT))
        got = run(*words, where=folder)
        assert sorted(got.split()) == sorted(f"{codec}-{n}" for n in range(COUNT))


def transact(log: logflume.Log, name: str, *words: str) -> str:
    """Has a client copy `in` to `out` in transactions (see `other/`), and checks all that is left of it. Returns what
    the client was told when its successor had fenced it."""
    for topic in ("in", "out"):
        log.create_topic(topic, partitions=2)
    copied = [[f"{number}-{n}" for n in range(COUNT)] for number in range(2)]
    for number, lines in enumerate(copied):
        log.partition("in", number).append_many([line.encode() for line in lines])
    refused, *seen = run(*words, str(COUNT), timeout=400).splitlines()
    for number, lines in enumerate(copied):
        wanted = [*lines, "end"]
        assert [line[2:] for line in seen if line[0] == str(number)] == wanted
        out = log.partition("out", number)
        assert list(texts(out, read_committed=True)) == wanted
        odd = [line for at, line in enumerate(lines) if at // 10 % 2]
        written = [*wanted, *(f"aborted-{line}" for line in odd), "open"]
        assert sorted(texts(out, read_committed=False)) == sorted(written)
        assert out.last_stable_offset == out.end_offset
    committed = open_offsets(log.directory, name).offsets(name)
    assert sorted((place.partition, told.offset) for place, told in committed.items()) == [
        (number, COUNT) for number in range(2)
    ]
    [told] = log.transactions.list()
    assert told.transactional_id == name
    return refused


def texts(partition: logflume.Partition, *, read_committed: bool) -> Iterator[str]:
    reader = partition.reader(0, read_committed=read_committed)
    while reader.position < partition.last_stable_offset:
        yield from (bytes(record.value or b"").decode() for record in reader.read())


@pytest.mark.peers
@pytest.mark.timeout(700)
def test_kafkajs_commits_and_aborts_transactions(broker: ThreadedBroker, log: logflume.Log) -> None:
    node = found("node")
    program = str(kafkajs("kafkajs_transactions") / "main.js")
    refused = transact(log, "kafkajs", node, program, broker.bootstrap)
    # It speaks EndTxn's version 1, which is older than PRODUCER_FENCED.
    assert refused == "INVALID_PRODUCER_EPOCH"


@pytest.mark.peers
@pytest.mark.timeout(700)
def test_sarama_commits_and_aborts_transactions(broker: ThreadedBroker, log: logflume.Log) -> None:
    program = str(sarama("sarama_transactions") / "sarama")
    refused = transact(log, "sarama", program, broker.bootstrap)
    assert refused == "PRODUCER_FENCED"


@pytest.mark.peers
@pytest.mark.timeout(700)
def test_franz_go_copies_in_a_groups_transactions(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    found("go")
    files = {"franz.go.txt": "main.go", "franz.mod.txt": "go.mod"}
    folder = installed("franz", files, "sh", "-c", "go mod tidy && go build -o franz .")
    for topic in ("in", "out"):
        log.create_topic(topic, partitions=3)
    got = run(str(folder / "franz"), broker.bootstrap, str(COUNT), timeout=400)
    assert sorted(got.split()) == sorted(f"{codec}-{n}" for codec in CODECS for n in range(COUNT))
    places = open_offsets(log.directory, "franz").offsets("franz")
    assert sum(told.offset for told in places.values()) == COUNT * len(CODECS)


WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]


@pytest.mark.peers
@pytest.mark.timeout(700)
def test_kafka_streams_counts_and_joins_exactly_once(
    broker: ThreadedBroker, log: logflume.Log, tmp_path: Path
) -> None:
    """Repartition topics and changelogs that it makes itself, standbys, a global table, transactions of two threads."""
    found("mvn")
    java = found("java")
    folder = installed(
        "streams",
        {"streams.pom.xml": "pom.xml", "Words.java": "Words.java"},
        "mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies",
        "-DoutputDirectory=lib",
    )  # fmt: skip
    for topic in ("lines", "counts", "joined"):
        log.create_topic(topic, partitions=2)
    log.create_topic("names", config={"cleanup.policy": "compact"})
    lines = [f"{WORDS[n % 9]} {WORDS[n * 5 % 9]}" for n in range(3000)]
    with log.producer() as producer:
        for word in set(WORDS):
            producer.send("names", word.upper().encode(), key=word.encode())
        for n, line in enumerate(lines):
            producer.send("lines", line.encode(), partition=n % 2)
    words = [word for line in lines for word in line.split()]
    path = f"{folder}/lib/*"
    program = (java, "-Xmx300m", "-cp", path, str(folder / "Words.java"))
    told = run(*program, broker.bootstrap, str(len(words)), str(tmp_path / "state"), timeout=400)
    assert f"counted {len(words)}" in told
    counts: dict[str, int] = {}
    joined = []
    for number in range(2):
        reader = log.partition("counts", number).reader(0, read_committed=True)
        while reader.position < log.partition("counts", number).last_stable_offset:
            for record in reader.read():
                counts[bytes(record.key or b"").decode()] = int.from_bytes(record.value or b"")
        joined += texts(log.partition("joined", number), read_committed=True)
    assert counts == Counter(words)
    assert sorted(joined) == sorted(f"{line}/{line.split()[0].upper()}" for line in lines)
