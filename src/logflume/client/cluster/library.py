"""librdkafka, as confluent-kafka brings it: loaded when the first cluster is opened."""

from __future__ import annotations

from logflume.errors import MissingExtra

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.rdkafka import Librdkafka

__all__ = ["VERSION_MIN", "librdkafka"]

VERSION_MIN = (2, 4)
"""What the functions used here need; an older one has other entry points or lacks Kafka 4's protocol."""

_loaded: Librdkafka | None = None


def librdkafka() -> Librdkafka:
    """The library. Raises MissingExtra when confluent-kafka is not installed, or too old."""
    global _loaded
    if _loaded is None:
        try:
            import confluent_kafka.cimpl as cimpl
        except ImportError as error:
            raise MissingExtra(what="a Kafka cluster", extra="kafka", reason=str(error)) from error
        from logflume._native.rdkafka import Librdkafka

        found = Librdkafka(cimpl.__file__)
        if found.version < VERSION_MIN:
            raise MissingExtra(
                what="a Kafka cluster",
                extra="kafka",
                reason=f"librdkafka is {'.'.join(map(str, found.version))}, 2.4 is needed",
            )
        _loaded = found
    return _loaded
