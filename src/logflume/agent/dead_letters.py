"""Events that cannot be processed, whatever the state of the rest: put aside, with the reason."""

from __future__ import annotations

from logflume.agent.options import ComponentConfig, needed
from logflume.config.kinds import Text
from logflume.errors import InvalidRecord, RecordTooLarge
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch
    from logflume.agent.stores import Stores
    from logflume.client.producer import Producer

__all__ = ["POISON", "DeadLetterConfig", "DeadLetters"]

_logger = get_logger(__name__)

POISON = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    InvalidRecord,
    RecordTooLarge,
)
"""What an event's content can be the cause of. Everything else (a target that is down, a full disk) is tried again."""

_CAUSE_MAX = 2000


class DeadLetterConfig(ComponentConfig, table="dead-letter topic"):
    """`deadLetter.*` of a source or a sink: logflume's own."""

    directory: str = needed("directory", Text(), doc="The log directory.")
    topic: str = needed("topic", Text(), doc="The topic; made when it is missing.")


class DeadLetters:
    """A topic of events that one component could not process. One thread's.

    A record has the event's body and headers, and `deadletter.component`, `deadletter.error` (its kind),
    `deadletter.cause`. At least once: a crash right after it may put an event aside again.
    """

    def __init__(self, config: DeadLetterConfig, stores: Stores, component: str) -> None:
        self._config = config
        self._stores = stores
        self._component = component
        self._producer: Producer | None = None

    def add(self, batch: EventBatch, error: Exception) -> None:
        """Put these aside. On disk when it returns. Raises what the append raises: then they are not."""
        if self._producer is None:
            store = self._stores.open(self._config.directory)
            store.topic(self._config.topic, 1, {})
            self._producer = store.log.producer(acks="all")
        why = {
            "deadletter.component": self._component,
            "deadletter.error": type(error).__name__,
            "deadletter.cause": str(error)[:_CAUSE_MAX],
        }
        for name, value in why.items():
            batch = batch.with_header(name, value)
        self._producer.send_many(
            self._config.topic, batch.body_list(), partition=0, headers=batch.append_headers()
        )
        _logger.warning("dead_letter", component=self._component, error=error)

    def close(self) -> None:
        """Let the topic go."""
        if self._producer is not None:
            self._producer.close()
            self._producer = None
