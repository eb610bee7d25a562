"""Fixtures for tests that want "a Kafka": a broker in the test's own process, up in milliseconds.

::

    def test_billing(logflume_broker):
        producer = confluent_kafka.Producer({"bootstrap.servers": logflume_broker.bootstrap})
        ...
        logflume_broker.faults.drop("PRODUCE")
        assert [r.value for r in logflume_broker.log.partition("t", 0).read_batch(0)] == [b"x"]

Found by pytest through the package's entry point; needs the extra `broker`.
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from logflume import Log
    from logflume.broker import ThreadedBroker
    from logflume.broker.faults import Faults

__all__ = ["KafkaForTests", "logflume_broker", "logflume_broker_session"]


class KafkaForTests:
    """A running broker, and the log behind it.

    Not thread-safe in itself; what its attributes give is.
    """

    def __init__(self, log: Log, broker: ThreadedBroker) -> None:
        self.log = log
        self._broker = broker

    @property
    def bootstrap(self) -> str:
        """ "host:port" for a client's bootstrap.servers."""
        return self._broker.bootstrap

    @property
    def faults(self) -> Faults:
        """Faults on request: see `logflume.broker.faults`."""
        return self._broker.broker.faults


def _running(path: Path) -> Iterator[KafkaForTests]:
    import logflume

    with logflume.open(path) as log, logflume.serve(log) as broker:
        yield KafkaForTests(log, broker)


@pytest.fixture
def logflume_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaForTests]:
    """A broker on a fresh directory, for this test alone."""
    yield from _running(tmp_path_factory.mktemp("logflume"))


@pytest.fixture(scope="session")
def logflume_broker_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaForTests]:
    """A broker that all tests of the run share: let each use topics of its own."""
    yield from _running(tmp_path_factory.mktemp("logflume"))
