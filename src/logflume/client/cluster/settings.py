"""Our options of producers and consumers as librdkafka's: one table each. What it lacks is an error when given."""

from __future__ import annotations

from logflume.errors import InvalidConfig, UnsupportedByEngine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.config import ConsumerConfig, ProducerConfig
    from logflume.config.option import Config

__all__ = ["consumer_settings", "producer_settings"]

# Kafka's name -> librdkafka's. Only what was given is passed on, so that librdkafka's own defaults hold.
_PRODUCER = {
    "acks": "acks",
    "batch.size": "batch.size",
    "client.id": "client.id",
    "compression.type": "compression.type",
    "linger.ms": "linger.ms",
    "max.in.flight.requests.per.connection": "max.in.flight.requests.per.connection",
    "request.timeout.ms": "request.timeout.ms",
    "retries": "retries",
    "retry.backoff.max.ms": "retry.backoff.max.ms",
    "retry.backoff.ms": "retry.backoff.ms",
    "transaction.timeout.ms": "transaction.timeout.ms",
    "transactional.id": "transactional.id",
}
_CONSUMER = {
    "allow.auto.create.topics": "allow.auto.create.topics",
    "client.id": "client.id",
    "client.rack": "client.rack",
    "fetch.max.bytes": "fetch.max.bytes",
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "fetch.min.bytes": "fetch.min.bytes",
    "group.id": "group.id",
    "group.instance.id": "group.instance.id",
    "group.protocol": "group.protocol",
    "heartbeat.interval.ms": "heartbeat.interval.ms",
    "max.partition.fetch.bytes": "max.partition.fetch.bytes",
    "max.poll.interval.ms": "max.poll.interval.ms",
    "request.timeout.ms": "socket.timeout.ms",
    "retry.backoff.max.ms": "retry.backoff.max.ms",
    "retry.backoff.ms": "retry.backoff.ms",
    "session.timeout.ms": "session.timeout.ms",
}
# What logflume does itself, in both engines.
_OWN_PRODUCER = {
    "buffer.memory",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "delivery.timeout.ms",
    "enable.idempotence",
    "max.block.ms",
    "max.request.size",
    "partitioner",
    "partitioner.ignore.keys",
}
_OWN_CONSUMER = {
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "default.api.timeout.ms",
    "enable.auto.commit",
    "exclude.internal.topics",
    "isolation.level",
    "max.poll.records",
    "partition.assignment.strategy",
}
_LACKING = "librdkafka, which talks to the cluster, has no such option"
_BUFFER_BYTES = 256 << 20  # of records on their way, where buffer.memory does not say


def producer_settings(config: ProducerConfig) -> dict[str, str]:
    """librdkafka's settings for a producer. Raises InvalidConfig."""
    out = _mapped(config, _PRODUCER, _OWN_PRODUCER)
    given = config.explicit()
    if config.partitioner_ignore_keys:
        raise InvalidConfig(
            name="partitioner.ignore.keys",
            value=True,
            reason="set partitioner to sticky or round_robin instead",
        )
    level = given.get(f"compression.{config.compression_type}.level")
    if level is not None:
        out["compression.level"] = str(level)
    memory = given.get("buffer.memory", _BUFFER_BYTES)
    out.update(
        {
            "enable.idempotence": "true" if config.idempotent else "false",
            "message.max.bytes": str(config.max_request_size),
            "delivery.timeout.ms": str(_delivery_timeout_ms(config)),
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": "0",  # bytes are the limit
            "queue.buffering.max.kbytes": str(max(1, memory // 1024)),
            "allow.auto.create.topics": "false",
        }
    )
    return out


def _delivery_timeout_ms(config: ProducerConfig) -> int:
    """A record of a transaction cannot be on its way for longer than the transaction may be open."""
    if config.transactional_id is None or "delivery.timeout.ms" in config.explicit():
        return config.delivery_timeout_ms
    return min(config.delivery_timeout_ms, config.transaction_timeout_ms)


def consumer_settings(config: ConsumerConfig) -> dict[str, str]:
    """librdkafka's settings for a consumer. Raises InvalidConfig, UnsupportedByEngine."""
    out = _mapped(config, _CONSUMER, _OWN_CONSUMER)
    if config.group_protocol == "classic":
        out["partition.assignment.strategy"] = _strategy(config)
    elif "partition.assignment.strategy" in config.explicit():
        raise InvalidConfig(
            name="partition.assignment.strategy",
            value=config.partition_assignment_strategy,
            reason="with group.protocol=consumer the cluster shares the partitions out",
        )
    out.update(
        {
            "isolation.level": config.isolation_level,
            "check.crcs": "true" if config.check_crcs else "false",
            "enable.auto.commit": "false",
            "enable.auto.offset.store": "false",
            "enable.partition.eof": "true",
            "auto.offset.reset": "error",
        }
    )
    return out


def _strategy(config: ConsumerConfig) -> str:
    if "partition.assignment.strategy" not in config.explicit():
        # Partitions move one by one, as embedded groups have it; range and the others stop all members at once.
        return "cooperative-sticky"
    names = config.partition_assignment_strategy
    if "sticky" in names:
        raise UnsupportedByEngine(
            what="partition.assignment.strategy=sticky", instead="cooperative-sticky"
        )
    if len(names) > 1 and "cooperative-sticky" in names:
        raise UnsupportedByEngine(
            what="cooperative-sticky beside another assignor", instead="one or the other"
        )
    return ",".join(names)


def _mapped(config: Config, names: dict[str, str], own: set[str]) -> dict[str, str]:
    out = {}
    for name, value in config.strings().items():
        if name in names:
            out[names[name]] = value
        elif name not in own and config.get(name) != config.options[name].default:
            raise InvalidConfig(name=name, value=config.get(name), reason=_LACKING)
    return out
