"""What every component is, and what sources, sinks and interceptors have to do.

A component gets its parsed properties and a context, is opened before the flow starts and closed after it
ended. Its methods are called by one thread at a time, unless said otherwise.
"""

from __future__ import annotations

import threading

from logflume.agent.counters import SINK, SOURCE, Counters
from logflume.agent.options import ComponentConfig
from logflume.agent.taps import Taps
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ClassVar, Protocol

    from logflume.agent.events import EventBatch
    from logflume.agent.stores import Stores

    class Positions(Protocol):
        """Where a source stands, by keys of its own; kept with the events that it delivered."""

        def load(self) -> dict[str, str]: ...

    Deliver = Callable[[EventBatch, Mapping[str, str] | None], None]
    PutAside = Callable[[EventBatch, Exception], None]
    """Puts events that cannot be processed into a dead-letter topic, with the reason."""

__all__ = ["Component", "Context", "Interceptor", "Sink", "Source"]


class Context:
    """What an agent gives its components: its name, the word to stop, open logs."""

    def __init__(self, agent: str, stores: Stores, taps: Taps | None = None) -> None:
        self.agent = agent
        self.stores = stores
        self.taps = Taps() if taps is None else taps
        self.draining = threading.Event()
        """Set when sources are to stop."""


class _NoConfig(ComponentConfig, table="component"):
    """No properties."""


class Component:
    """A configured part of a flow."""

    Config: ClassVar[type[ComponentConfig]] = _NoConfig

    def __init__(self, name: str, config: Any, context: Context) -> None:
        self.name = name
        self.config = config
        self.context = context
        self.log = get_logger(type(self).__module__)
        self.setup()

    def setup(self) -> None:
        """Check what parsing cannot, before anything starts. Raises InvalidConfig."""

    def open(self) -> None:
        """Take hold of files, sockets, connections."""

    def close(self) -> None:
        """Let them go. Called once, also after a failed `open`."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class Source(Component):
    """Where events come from.

    `run` is called in a thread of the source's own and returns when `self.draining` is set, or when there is
    nothing more to come. It hands events over with `self.deliver(batch, positions)`, which returns when all
    channels have them; while a channel is full it waits and tries again, and raises `Stopped` when the agent
    stops meanwhile. A source that must answer somebody uses `self.offer(batch)`, which raises ChannelFull instead.
    Both may be called by several threads.

    What waits may be handed over in larger batches than batchSize, up to `put_max`: then fewer transactions do.

    `positions` says where the source stands behind this batch, by keys of its own: durable channels store it in the
    transaction that stores the events. `self.positions.load()` gives what was stored. A batch that was delivered with
    positions is on disk when `self.flush()` returns: what cannot be read again (a file to be deleted) waits for that.
    """

    deliver: Deliver
    offer: Deliver
    flush: Callable[[], None]
    positions: Positions
    put_aside: PutAside | None = None
    """For what the source itself cannot make an event of; None without a dead-letter topic. Set before `run`."""
    transaction_max: int = 0
    """What the channels' transactions take; set before `run`."""

    def __init__(self, name: str, config: Any, context: Context) -> None:
        self.counters = Counters(SOURCE, name)
        super().__init__(name, config, context)

    @property
    def draining(self) -> threading.Event:
        """Set when the source is to end."""
        return self.context.draining

    @property
    def batch_size(self) -> int:
        """Events of a transaction as configured; the channel's transactionCapacity must allow it."""
        return int(getattr(self.config, "batch_size", 1))

    @property
    def put_max(self) -> int:
        """The most events of one transaction, when so many are at hand."""
        return max(self.batch_size, self.transaction_max)

    def run(self) -> None:
        """Produce events until told to stop."""
        raise NotImplementedError


class Sink(Component):
    """Where events go.

    `write(batch)` delivers; when `settle()` returns, what was written is safe, and is taken off the channel. When
    either raises, all since the last settling comes again after a pause.
    A sink that can undo says so: its `note()` (text) tells what is settled, and is stored with the
    channel's position, atomically. `restore(note)` gets the newest back, before the first write and after a failure,
    and undoes what was written behind it: then each event is there exactly once. It may also ask to be settled less
    often than with each batch, which costs it a sync a time: `settle_interval_s`. What it is about to begin, and would
    have to undo, it has noted first: `remember()` stores its note with the position as it is.
    A sink whose target has transactions stores the channel's place there, with the events (`settle_at`), and gives it
    back (`stored_place`): then the channel goes on there, and each event is there exactly once, too.
    """

    settle_interval_s: float = 0.0
    counts_itself: bool = False
    """True: the sink raises EventDrainSuccessCount, which otherwise counts what `write` was given."""
    channel_is_durable: bool = True
    """False: the channel's events are gone with the process, so that what is settled need not be on disk."""
    remember: Callable[[], None] = staticmethod(lambda: None)
    """Stores `note()` as it is now, between two settlings. Set before the first write."""

    def __init__(self, name: str, config: Any, context: Context) -> None:
        self.counters = Counters(SINK, name)
        super().__init__(name, config, context)

    @property
    def batch_size(self) -> int:
        """Events of a transaction as configured."""
        return int(getattr(self.config, "batch_size", 100))

    @property
    def take_max(self) -> int:
        """The most events of one `write`, when so many wait: a sink that settles by the clock may ask for more."""
        return self.batch_size

    @property
    def is_pressed(self) -> bool:
        """True: settle soon, whatever the interval."""
        return False

    def restore(self, note: str | None) -> None:
        """Undo what was written after this note; None when there is none."""

    def write(self, batch: EventBatch) -> None:
        """Deliver a batch. Raises whatever keeps it from being delivered."""
        raise NotImplementedError

    def settle(self) -> None:
        """Make what was written safe."""

    def settle_at(self, place: str | None) -> None:
        """As `settle`; `place` is where the channel stands then, None for a channel that dies with the process."""
        self.settle()

    def stored_place(self) -> str | None:
        """The place of the newest settling, when the target keeps it. Asked after `restore`."""
        return None

    def note(self) -> str | None:
        """What has been written so far; None when there is nothing to say."""
        return None

    def settled(self) -> None:
        """The channel's position, and the note, are stored."""

    def idle(self) -> None:
        """Called now and then, with everything settled."""


class Interceptor(Component):
    """Changes or drops events on their way from a source to its channels. Must not keep state between batches."""

    def intercept(self, batch: EventBatch) -> EventBatch:
        """The events as they go on; fewer, if some are dropped."""
        raise NotImplementedError
