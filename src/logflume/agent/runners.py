"""The threads of a flow: one a source, one a sink or sink group."""

from __future__ import annotations

import json
import threading
import time

from logflume.agent.dead_letters import POISON
from logflume.agent.intake import Stopped
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.channels import Channel, Taker
    from logflume.agent.components import Source
    from logflume.agent.dead_letters import DeadLetters
    from logflume.agent.events import EventBatch
    from logflume.agent.processors import Processor

__all__ = ["SinkRunner", "SourceRunner"]

_logger = get_logger(__name__)

_TAKE_S = 0.2
_GATHER_S = 0.005
_SETTLING_SHARE = 0.25
_SETTLE_LATEST_S = 10.0
_PAUSE_FIRST_S = 1.0  # as Flume's sink runner: a second more each time, five at most
_PAUSE_MOST_S = 5.0


class SourceRunner:
    """Runs a source until it ends; one that fails is started again after a pause."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._draining = source.draining
        self.thread = threading.Thread(target=self._run, name=f"source-{source.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.source.counters.start()
        self.thread.start()

    def _run(self) -> None:
        pause = _PAUSE_FIRST_S
        while not self._draining.is_set():
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
            self._draining.wait(pause)
            pause = min(pause + _PAUSE_FIRST_S, _PAUSE_MOST_S)
        self.source.counters.stop()


class SinkRunner:
    """Takes batches off a channel and has a processor write them."""

    def __init__(
        self,
        name: str,
        channel: Channel,
        processor: Processor,
        dead_letters: DeadLetters | None = None,
    ) -> None:
        self.name = name
        self.channel = channel
        self._processor = processor
        self._taker: Taker = channel.taker()
        self._dead_letters = dead_letters
        if dead_letters is not None:
            self._taker.put_aside = dead_letters.add
        self._pending = False
        self._since = 0.0
        self._settling_s = 0.0  # what the newest settling took
        self._last = 0  # events of the newest take
        # While a poison event is looked for: so many events are taken at most, and settled at once.
        self._limit: int | None = None
        # A group's sinks must not stand at different settlings, so it settles with each batch.
        alone = len(processor.sinks) == 1
        for one in processor.sinks:
            one.channel_is_durable = channel.is_durable
            one.remember = self._remember
        self._interval_s = processor.sinks[0].settle_interval_s if alone else 0.0
        self._ending = threading.Event()
        self._stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"sink-{name}", daemon=True)

    @property
    def sink_names(self) -> list[str]:
        """The sinks that it writes to."""
        return [one.name for one in self._processor.sinks]

    def finish(self, *, drain: bool) -> None:
        """No more events will come: end when the channel is empty, or (without `drain`) now."""
        self._ending.set()
        if not drain:
            self._stopping.set()
        self.channel.wake()

    def release(self) -> None:
        """Give the channel its taker back, when the thread has ended."""
        self.channel.release(self._taker)
        if self._dead_letters is not None:
            self._dead_letters.close()

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
                if self._is_poison(error):
                    self._give_back()
                    if self._narrowed(error):
                        continue
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

    # ---- poison events

    def _is_poison(self, error: Exception) -> bool:
        return self._dead_letters is not None and isinstance(error, POISON) and self._last > 0

    def _narrowed(self, error: Exception) -> bool:
        """Look for the event that cannot be written among fewer; put it aside when it is found alone.

        False when that failed: then it is tried again after a pause.
        """
        if self._last > 1:
            self._limit = max(self._last // 2, 1)
            return True
        assert self._dead_letters is not None
        try:
            self._restore()
            batch = self._taker.take(1, 0.0)
            if batch is not None:
                self._dead_letters.add(batch, error)
                self._settle()
        except Exception as failure:  # of the dead-letter topic, or the channel
            _logger.error("dead_letter_failed", sink=self.name, error=failure)
            self._give_back()
            return False
        return True

    def _give_back(self) -> None:
        self._pending = False
        try:
            self._taker.rollback()
        except Exception as error:  # the channel itself fails: it is asked again after the pause
            _logger.error("rollback_failed", sink=self.name, error=error)

    def _step(self) -> bool:
        """One take; False when the flow has ended, and the channel is empty or not to be emptied."""
        most = self._processor.take_max if self._limit is None else self._limit
        self._last = 0  # what fails now is no event's fault
        batch = self._take(most)
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
        self._last = len(batch)
        if len(batch):  # else all of it was put aside
            self._processor.write(batch)
        # A channel that fills up gets its room back sooner.
        pressed = self.channel.is_pressed or any(one.is_pressed for one in self._processor.sinks)
        if pressed or self._limit is not None or self._is_due():
            self._settle()
            self._widen()
        elif 10 * len(batch) < most:
            # A take costs as much for one event as for thousands: what trickles in is gathered a little.
            self._ending.wait(_GATHER_S)
        return not self._stopping.is_set() or self._settle_last()

    def _take(self, most: int) -> EventBatch | None:
        try:
            return self._taker.take(most, _TAKE_S if not self._pending else 0.0)
        except Exception:
            for one in self._processor.sinks:
                one.counters.add("ChannelReadFail")
            raise

    def _is_due(self) -> bool:
        """A sink that settles by the clock (a thousand files on a busy disk) has most of its time for writing."""
        interval = self._interval_s
        if interval:
            pause = self._settling_s * (1 - _SETTLING_SHARE) / _SETTLING_SHARE
            interval = max(interval, min(pause, _SETTLE_LATEST_S))
        return time.monotonic() - self._since >= interval

    def _widen(self) -> None:
        """A take went well: the next may be larger again."""
        if self._limit is not None:
            self._limit *= 2
            if self._limit >= self._processor.take_max:
                self._limit = None

    def _settle_last(self) -> bool:
        if self._pending:
            self._settle()
        return False

    def _settle(self) -> None:
        began = time.monotonic()
        place = self._taker.place()
        for one in self._processor.sinks:
            one.settle_at(place)
        self._taker.commit(self._note())
        self._pending = False
        for one in self._processor.sinks:
            one.settled()
        self._settling_s = time.monotonic() - began

    def _remember(self) -> None:
        self._taker.renote(self._note())

    def _note(self) -> str | None:
        notes = {one.name: one.note() for one in self._processor.sinks}
        told = {name: note for name, note in notes.items() if note is not None}
        return json.dumps(told) if told else None
