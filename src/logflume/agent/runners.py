"""The threads of a flow: one a source, one a sink or sink group."""

from __future__ import annotations

import json
import threading
import time

from logflume.agent.channels import LogChannel
from logflume.agent.intake import Stopped
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.channels import Channel, Taker
    from logflume.agent.components import Context, Source
    from logflume.agent.processors import Processor

__all__ = ["SinkRunner", "SourceRunner"]

_logger = get_logger(__name__)

_TAKE_S = 0.2
_PAUSE_FIRST_S = 1.0  # as Flume's sink runner: a second more each time, five at most
_PAUSE_MOST_S = 5.0


class SourceRunner:
    """Runs a source until it ends; one that fails is started again after a pause."""

    def __init__(self, source: Source, context: Context) -> None:
        self.source = source
        self._context = context
        self.thread = threading.Thread(target=self._run, name=f"source-{source.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.source.counters.start()
        self.thread.start()

    def _run(self) -> None:
        pause = _PAUSE_FIRST_S
        while not self._context.draining.is_set():
            try:
                self.source.run()
                self.source.flush()
                break
            except Stopped:
                break
            except (
                Exception
            ) as error:  # said and counted; the source begins anew at its stored position
                self.source.counters.add("GenericProcessingFail")
                _logger.error(
                    "source_failed", source=self.source.name, error=error, again_in_s=pause
                )
            self._context.draining.wait(pause)
            pause = min(pause + _PAUSE_FIRST_S, _PAUSE_MOST_S)
        self.source.counters.stop()


class SinkRunner:
    """Takes batches off a channel and has a processor write them."""

    def __init__(self, name: str, channel: Channel, processor: Processor) -> None:
        self.name = name
        self.channel = channel
        self._processor = processor
        self._taker: Taker = channel.taker()
        self._pending = False
        self._since = 0.0
        # A group's sinks must not stand at different settlings, so it settles with each batch.
        alone = len(processor.sinks) == 1
        for one in processor.sinks:
            one.channel_is_durable = isinstance(channel, LogChannel)
        self._interval_s = processor.sinks[0].settle_interval_s if alone else 0.0
        self._ending = threading.Event()
        self._stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"sink-{name}", daemon=True)

    def finish(self, *, drain: bool) -> None:
        """No more events will come: end when the channel is empty, or (without `drain`) now."""
        self._ending.set()
        if not drain:
            self._stopping.set()
        self.channel.wake()

    def start(self) -> None:
        """Begin."""
        for one in self._processor.sinks:
            one.counters.start()
        self.thread.start()

    def _run(self) -> None:
        pause = _PAUSE_FIRST_S
        fresh = False
        while True:
            try:
                if not fresh:
                    self._restore()
                    fresh = True
                if not self._step():
                    break
                pause = _PAUSE_FIRST_S
            except Exception as error:  # said and counted; what was taken comes again
                fresh = False
                _logger.error("sink_failed", sink=self.name, error=error, again_in_s=pause)
                self._give_back()
                if self._stopping.wait(pause):
                    break
                pause = min(pause + _PAUSE_FIRST_S, _PAUSE_MOST_S)
        for one in self._processor.sinks:
            one.counters.stop()

    def _restore(self) -> None:
        """Back to the last settling; then a note before the first write, so that even that one can be undone."""
        notes = json.loads(self._taker.note() or "{}")
        for one in self._processor.sinks:
            one.restore(notes.get(one.name))
        places = [place for one in self._processor.sinks if (place := one.stored_place())]
        self._taker.advance(places)
        self._pending = False
        self._taker.commit(self._note())

    def _give_back(self) -> None:
        self._pending = False
        try:
            self._taker.rollback()
        except Exception as error:  # the channel itself fails: it is asked again after the pause
            _logger.error("rollback_failed", sink=self.name, error=error)

    def _step(self) -> bool:
        """One take; False when the flow has ended, and the channel is empty or not to be emptied."""
        batch = self._taker.take(self._processor.take_max, _TAKE_S if not self._pending else 0.0)
        if batch is None:
            if self._pending:
                self._settle()
            else:
                for one in self._processor.sinks:
                    one.counters.add("BatchEmptyCount")
                    one.idle()
                return not self._ending.is_set()
            return True
        if not self._pending:
            self._pending, self._since = True, time.monotonic()
        self._processor.write(batch)
        # A channel that fills up gets its room back sooner.
        if time.monotonic() - self._since >= self._interval_s or self.channel.is_pressed:
            self._settle()
        return not self._stopping.is_set() or self._settle_last()

    def _settle_last(self) -> bool:
        if self._pending:
            self._settle()
        return False

    def _settle(self) -> None:
        place = self._taker.place()
        for one in self._processor.sinks:
            one.settle_at(place)
        self._taker.commit(self._note())
        self._pending = False
        for one in self._processor.sinks:
            one.settled()

    def _note(self) -> str | None:
        notes = {one.name: one.note() for one in self._processor.sinks}
        told = {name: note for name, note in notes.items() if note is not None}
        return json.dumps(told) if told else None
