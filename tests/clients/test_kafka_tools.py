"""Kafka's own tools, Java clients all, on our broker."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import confluent_kafka
import pytest

import logflume
from logflume.broker import ThreadedBroker
from logflume.broker.security.store import SecurityStore
from logflume.broker.security.users import make_credential
from support.kafka_peer import run, script
from support.logins import address, delivered, librdkafka

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]


def tool(broker: ThreadedBroker, name: str, *words: str) -> str:
    return run("tool", name, "--bootstrap-server", broker.bootstrap, *words)


def test_topics_are_created_and_described(broker: ThreadedBroker, log: logflume.Log) -> None:
    script()
    tool(broker, "kafka-topics", "--create", "--topic", "t", "--partitions", "3")
    assert len(log["t"]) == 3
    shown = tool(broker, "kafka-topics", "--describe", "--topic", "t")
    assert "PartitionCount: 3" in shown
    assert str(log["t"].topic_id) in shown


def test_settings_are_changed(broker: ThreadedBroker, log: logflume.Log) -> None:
    script()
    log.create_topic("t")
    words = ("--entity-type", "topics", "--entity-name", "t")
    tool(broker, "kafka-configs", "--alter", *words, "--add-config", "retention.ms=5000")
    assert log["t"].config.retention_ms == 5000
    assert "retention.ms=5000" in tool(broker, "kafka-configs", "--describe", *words)


@pytest.mark.timeout(800)
@pytest.mark.parametrize(
    ("entity", "described"),
    [
        ({"client-id": "app"}, "client-id 'app'"),
        ({"user": None}, "the default user-principal"),
        ({"client-id": "app", "user": "alice"}, "user-principal 'alice', client-id 'app'"),
    ],
)
def test_quotas_are_set_shown_and_removed(
    broker: ThreadedBroker,
    log: logflume.Log,
    entity: dict[str, str | None],
    described: str,
) -> None:
    script()
    words: list[str] = []
    for kind, name in entity.items():
        words += ["--entity-type", {"client-id": "clients", "user": "users"}[kind]]
        words += ["--entity-default"] if name is None else ["--entity-name", name]
    key = tuple(entity.items())
    store = SecurityStore(log.directory.path)
    rates = {"producer_byte_rate": 100_000, "consumer_byte_rate": 250_000}
    added = ",".join(f"{name}={rate}" for name, rate in rates.items())
    tool(broker, "kafka-configs", *words, "--alter", "--add-config", added)
    assert store.current().quotas == {key: rates}
    shown = tool(broker, "kafka-configs", *words, "--describe")
    assert f"Quota configs for {described} are " in shown
    assert all(f"{name}={rate}.0" in shown for name, rate in rates.items())
    tool(broker, "kafka-configs", *words, "--alter", "--delete-config", "producer_byte_rate")
    assert store.current().quotas == {key: {"consumer_byte_rate": 250_000}}
    tool(broker, "kafka-configs", *words, "--alter", "--delete-config", "consumer_byte_rate")
    assert store.current().quotas == {}
    assert "Quota" not in tool(broker, "kafka-configs", *words, "--describe")


@pytest.mark.timeout(800)
def test_users_are_made_log_in_and_are_removed(
    serve_securely: Callable[..., ThreadedBroker], log: logflume.Log
) -> None:
    script()
    log.create_topic("t")
    broker = serve_securely("PLAINTEXT", "SASL_PLAINTEXT")
    carol = ("--entity-type", "users", "--entity-name", "carol")

    def configs(*words: str) -> str:
        where = ("--bootstrap-server", address(broker, "PLAINTEXT"))
        return run("tool", "kafka-configs", *where, *carol, *words)

    def logs_in(mechanism: str, password: str) -> bool:
        login = {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": mechanism,
            "sasl.username": "carol",
            "sasl.password": password,
        }
        error = delivered(librdkafka(address(broker, "SASL_PLAINTEXT"), **login))
        assert error is None or error.code() == confluent_kafka.KafkaError._AUTHENTICATION
        return error is None

    made = "SCRAM-SHA-256=[password=wonder],SCRAM-SHA-512=[iterations=5000,password=land]"
    configs("--alter", "--add-config", made)
    shown = configs("--describe")
    assert "user-principal 'carol'" in shown
    assert "SCRAM-SHA-256=iterations=4096" in shown
    assert "SCRAM-SHA-512=iterations=5000" in shown
    assert logs_in("SCRAM-SHA-256", "wonder")
    assert logs_in("SCRAM-SHA-512", "land")
    assert not logs_in("SCRAM-SHA-512", "wonder")
    configs("--alter", "--delete-config", "SCRAM-SHA-256")
    shown = configs("--describe")
    assert "SCRAM-SHA-256" not in shown
    assert "SCRAM-SHA-512=iterations=5000" in shown
    assert not logs_in("SCRAM-SHA-256", "wonder")
    assert logs_in("SCRAM-SHA-512", "land")
    configs("--alter", "--delete-config", "SCRAM-SHA-512")
    assert "SCRAM" not in configs("--describe")
    assert "carol" not in SecurityStore(log.directory.path).current().users
    assert not logs_in("SCRAM-SHA-512", "land")
    assert log.partition("t", 0).end_offset == 3


def test_leaders_are_elected_and_partitions_stay_where_they_are(
    broker: ThreadedBroker, log: logflume.Log, tmp_path: Path
) -> None:
    script()
    log.create_topic("t")
    preferred = ("--election-type", "preferred", "--all-topic-partitions")
    tool(broker, "kafka-leader-election", *preferred)
    plan = tmp_path / "plan.json"
    plan.write_text('{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1]}]}')
    words = ("kafka-reassign-partitions", "--reassignment-json-file", str(plan))
    done = tool(broker, *words, "--execute")
    assert "Successfully started partition reassignment for t-0" in done
    assert "Reassignment of partition t-0 is completed" in tool(broker, *words, "--verify")


def test_offsets_and_sizes_are_shown(broker: ThreadedBroker, log: logflume.Log) -> None:
    script()
    log.create_topic("t")
    log.partition("t", 0).append_many([b"x"] * 70)
    assert "t:0:70" in tool(broker, "kafka-get-offsets", "--topic", "t", "--time", "latest")
    assert '"partition":"t-0"' in tool(broker, "kafka-log-dirs", "--describe")


def test_lines_go_in_and_come_out(broker: ThreadedBroker, log: logflume.Log) -> None:
    lines = [f"line {i}" for i in range(300)]
    words = ("tool", "kafka-console-producer", "--bootstrap-server", broker.bootstrap)
    subprocess.run(
        [script(), *words, "--topic", "t"],
        input="\n".join(lines) + "\n",
        text=True,
        capture_output=True,
        timeout=100,
        check=True,
    )
    batch = log.partition("t", 0).read_batch(0)
    assert [r.value.decode() for r in batch] == lines
    limits = ("--from-beginning", "--max-messages", "300", "--timeout-ms", "60000")
    shown = tool(broker, "kafka-console-consumer", "--topic", "t", *limits)
    assert shown.splitlines()[:300] == lines


def test_users_and_rules(log: logflume.Log, tmp_path: Path) -> None:
    """An administrator logs in, makes a user and his rules; the user writes what he may, and nothing else."""
    log.create_topic("clicks")
    log.create_topic("secret")
    store = SecurityStore(log.directory.path)
    admin = {"SCRAM-SHA-512": make_credential("SCRAM-SHA-512", "root", iterations=4096)}
    store.change(lambda state: state._replace(users={"admin": admin}))
    logins = {}
    for user in ("admin", "alice"):
        logins[user] = str(tmp_path / user)
        module = "org.apache.kafka.common.security.scram.ScramLoginModule"
        password = {"admin": "root", "alice": "wonder"}[user]
        Path(logins[user]).write_text(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\n"
            f'sasl.jaas.config={module} required username="{user}" password="{password}";\n'
        )
    with logflume.serve(
        log, "SASL_PLAINTEXT://127.0.0.1:0", acl_enable=True, super_users="User:admin"
    ) as broker:
        as_admin = ("--command-config", logins["admin"])
        user = ("--entity-type", "users", "--entity-name", "alice")
        change = ("--alter", "--add-config", "SCRAM-SHA-512=[iterations=4096,password=wonder]")
        tool(broker, "kafka-configs", *as_admin, *user, *change)
        quota = ("--alter", "--add-config", "producer_byte_rate=100000")
        tool(broker, "kafka-configs", *as_admin, *user, *quota)
        seen = tool(broker, "kafka-configs", *as_admin, *user, "--describe")
        assert "SCRAM-SHA-512=iterations=4096" in seen
        assert "producer_byte_rate=100000" in seen
        rule = ("--add", "--allow-principal", "User:alice", "--producer", "--topic", "clicks")
        tool(broker, "kafka-acls", *as_admin, *rule, "--resource-pattern-type", "prefixed")
        listed = tool(broker, "kafka-acls", *as_admin, "--list")
        assert "principal=User:alice" in listed
        assert "patternType=PREFIXED" in listed
        console = (str(script()), "tool", "kafka-console-producer", "--bootstrap-server")
        for topic in ("clicks", "secret"):
            subprocess.run(
                [*console, broker.bootstrap, "--command-config", logins["alice"], "--topic", topic],
                input="hello\n",
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
        assert log.partition("clicks", 0).end_offset == 1
        assert log.partition("secret", 0).end_offset == 0
        gone = (
            "--remove",
            "--allow-principal",
            "User:alice",
            "--force",
            "--producer",
            "--topic",
            "clicks",
        )
        tool(broker, "kafka-acls", *as_admin, *gone, "--resource-pattern-type", "prefixed")
        assert "alice" not in tool(broker, "kafka-acls", *as_admin, "--list")
