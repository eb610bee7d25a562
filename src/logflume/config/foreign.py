"""Kafka's client options that mean nothing on a directory: refused with the reason, never swallowed."""

from __future__ import annotations

__all__ = ["CLIENT"]

_NETWORK = "a directory has no network connection; for a cluster open kafka://host:port"
_CODE = "names Java code; pass bytes, and convert before or after"
_METRICS = "reporters of metrics are Java classes"

CLIENT: dict[str, str] = {
    **dict.fromkeys(
        (
            "bootstrap.servers",
            "client.dns.lookup",
            "connections.max.idle.ms",
            "metadata.max.age.ms",
            "metadata.max.idle.ms",
            "metadata.recovery.strategy",
            "metadata.recovery.rebootstrap.trigger.ms",
            "receive.buffer.bytes",
            "reconnect.backoff.max.ms",
            "reconnect.backoff.ms",
            "send.buffer.bytes",
            "socket.connection.setup.timeout.max.ms",
            "socket.connection.setup.timeout.ms",
            "security.protocol",
            "sasl.mechanism",
            "sasl.jaas.config",
            "ssl.ca.location",
            "ssl.keystore.location",
            "ssl.truststore.location",
        ),
        _NETWORK,
    ),
    **dict.fromkeys(
        (
            "interceptor.classes",
            "key.deserializer",
            "key.serializer",
            "partitioner.class",
            "value.deserializer",
            "value.serializer",
        ),
        _CODE,
    ),
    **dict.fromkeys(
        (
            "enable.metrics.push",
            "metric.reporters",
            "metrics.num.samples",
            "metrics.recording.level",
            "metrics.sample.window.ms",
        ),
        _METRICS,
    ),
}
