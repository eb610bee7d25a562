"""Escapes of paths (`%Y-%m-%d`, `%{host}`, `%[localhost]`): an event's bucket.

Flume guide, "HDFS Sink", table of escape sequences. Names of days and months are English, as a JVM's are by default.
"""

from __future__ import annotations

import re
import socket
import time
from datetime import datetime

from logflume.errors import InvalidConfig, InvalidRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import tzinfo

    from logflume.agent.events import EventBatch

    Part = str | tuple[str, str]
    """Text as it is, or a kind ("header", "time") and which."""

__all__ = ["Escapes", "Rounding"]

_TAG = re.compile(r"%([\w%])|%\{([\w.\-]+)\}|%\[(\w+)\]")
_HOST: dict[str, Callable[[], str]] = {
    "localhost": socket.gethostname,
    "ip": lambda: socket.gethostbyname(socket.gethostname()),
    "fqdn": socket.getfqdn,
}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_LETTERS: dict[str, Callable[[datetime], str]] = {
    "a": lambda t: _DAYS[t.weekday()][:3],
    "A": lambda t: _DAYS[t.weekday()],
    "b": lambda t: _MONTHS[t.month - 1][:3],
    "B": lambda t: _MONTHS[t.month - 1],
    "c": lambda t: (
        f"{_DAYS[t.weekday()][:3]} {_MONTHS[t.month - 1][:3]} {t.day} {t:%H:%M:%S} {t.year:04}"
    ),
    "d": lambda t: f"{t.day:02}",
    "D": lambda t: f"{t.month:02}/{t.day:02}/{t.year % 100:02}",
    "e": lambda t: str(t.day),
    "H": lambda t: f"{t.hour:02}",
    "I": lambda t: f"{t.hour % 12 or 12:02}",
    "j": lambda t: f"{t.timetuple().tm_yday:03}",
    "k": lambda t: str(t.hour),
    "l": lambda t: str(t.hour % 12 or 12),
    "m": lambda t: f"{t.month:02}",
    "M": lambda t: f"{t.minute:02}",
    "n": lambda t: str(t.month),
    "p": lambda t: "AM" if t.hour < 12 else "PM",
    "s": lambda t: str(int(t.timestamp() // 1)),
    "S": lambda t: f"{t.second:02}",
    "y": lambda t: f"{t.year % 100:02}",
    "Y": lambda t: f"{t.year:04}",
    "z": lambda t: t.strftime("%z")[:5],
}
_MILLIS = "t"
_BY_SECOND = frozenset("sSc")
_KNOWN_MAX = 10_000
"""Buckets whose names are remembered; then they are made anew."""


class Rounding:
    """Times are cut to the last multiple of `value` units (`second`, `minute`, `hour`) before they name a bucket."""

    def __init__(self, value: int, unit: str) -> None:
        self._value = value
        self._unit = unit

    def down(self, t: datetime) -> datetime:
        """The time, cut."""
        if self._unit == "hour":
            return t.replace(hour=t.hour - t.hour % self._value, minute=0, second=0, microsecond=0)
        if self._unit == "minute":
            return t.replace(minute=t.minute - t.minute % self._value, second=0, microsecond=0)
        return t.replace(second=t.second - t.second % self._value, microsecond=0)


class Escapes:
    """Texts with escapes, filled in together for each event of a batch. One thread's.

    Parameters: the texts by their properties' names; the zone of times, None for the machine's; `local_time`: the
    clock's time instead of the header `timestamp`, milliseconds since 1970. Raises InvalidConfig for an escape that
    does not exist (Flume drops those).
    """

    def __init__(
        self,
        texts: Sequence[tuple[str, str]],
        zone: tzinfo | None = None,
        rounding: Rounding | None = None,
        *,
        local_time: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._texts = [_parts(name, text) for name, text in texts]
        parts = [part for text in self._texts for part in text if isinstance(part, tuple)]
        self._headers = sorted({name for kind, name in parts if kind == "header"})
        letters = {name for kind, name in parts if kind == "time"}
        self._timed = bool(letters)
        # Buckets change with the finest of the escapes: so many milliseconds are one.
        self._step_ms = 1 if _MILLIS in letters else 1000 if letters & _BY_SECOND else 60_000
        self._zone = zone
        self._rounding = rounding
        self._local_time = local_time
        self._clock = clock
        self._known: dict[tuple[object, ...], tuple[str, ...]] = {}

    def split(self, batch: EventBatch) -> Iterator[tuple[tuple[str, ...], EventBatch]]:
        """The texts filled in, each with its events, in their order.

        Raises InvalidRecord when an event lacks the time that a text asks for.
        """
        columns: list[Sequence[object]] = []
        common = batch.common
        for name in self._headers:
            if name not in common and name in batch.columns:
                columns.append(batch.header(name))
            else:
                columns.append((common.get(name),))
        columns.append(self._steps(batch))
        if all(len(column) == 1 for column in columns):
            yield self._filled(tuple(column[0] for column in columns)), batch
            return
        wide = [c if len(c) > 1 else [c[0]] * len(batch) for c in columns]
        buckets: dict[tuple[str, ...], list[int]] = {}
        found: dict[tuple[object, ...], list[int]] = {}
        for index, key in enumerate(zip(*wide, strict=True)):
            rows = found.get(key)
            if rows is None:
                rows = found[key] = buckets.setdefault(self._filled(key), [])
            rows.append(index)
        if len(buckets) > 1:
            # Once: each bucket picks some of them.
            batch = batch.with_bodies(batch.body_list())
        for texts, indices in buckets.items():
            yield texts, batch.select(indices)

    def _steps(self, batch: EventBatch) -> Sequence[object]:
        """The times in steps: one for all, or one for each event."""
        if not self._timed:
            return (0,)
        if self._local_time:
            return (int(self._clock() * 1000) // self._step_ms,)
        if "timestamp" in batch.common:
            return (_millis(batch.common["timestamp"]) // self._step_ms,)
        return [_millis(text) // self._step_ms for text in batch.header("timestamp")]

    def _filled(self, key: tuple[object, ...]) -> tuple[str, ...]:
        known = self._known.get(key)
        if known is not None:
            return known
        headers = dict(zip(self._headers, key, strict=False))
        step = key[-1]
        assert isinstance(step, int)
        moment = self._moment(step * self._step_ms) if self._timed else None
        made = tuple(self._fill(text, headers, step, moment) for text in self._texts)
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known[key] = made
        return made

    def _moment(self, ms: int) -> datetime:
        try:
            moment = datetime.fromtimestamp(ms / 1000, self._zone)
            if self._zone is None:
                moment = moment.astimezone()
        except (ValueError, OverflowError, OSError) as error:
            raise InvalidRecord(reason=f"the timestamp {ms} is no time: {error}") from None
        return moment if self._rounding is None else self._rounding.down(moment)

    def _fill(
        self,
        text: Sequence[Part],
        headers: dict[str, object],
        step: int,
        moment: datetime | None,
    ) -> str:
        out = []
        for part in text:
            if isinstance(part, str):
                out.append(part)
            elif part[0] == "header":
                out.append(str(headers[part[1]] or ""))
            elif part[1] == _MILLIS:
                out.append(str(step * self._step_ms))
            else:
                assert moment is not None
                out.append(_LETTERS[part[1]](moment))
        return "".join(out)


def _millis(text: str | None) -> int:
    if text is None:
        raise InvalidRecord(
            reason="the path asks for a time, and the event has no header timestamp;"
            " a timestamp interceptor sets it, or hdfs.useLocalTimeStamp = true takes the clock's"
        )
    try:
        return int(text)
    except ValueError:
        raise InvalidRecord(reason=f"the header timestamp is no number: {text!r}") from None


def _parts(name: str, text: str) -> list[Part]:
    parts: list[Part] = []
    at = 0
    for match in _TAG.finditer(text):
        if match.start() > at:
            parts.append(text[at : match.start()])
        at = match.end()
        letter, header, host = match.groups()
        if header is not None:
            parts.append(("header", header))
        elif host is not None:
            if host.lower() not in _HOST:
                raise InvalidConfig(
                    name=name, value=text, reason=f"%[{host}] is not one of localhost, IP, FQDN"
                )
            parts.append(_HOST[host.lower()]())
        elif letter == "%":
            parts.append("%")
        elif letter == _MILLIS or letter in _LETTERS:
            parts.append(("time", letter))
        else:
            raise InvalidConfig(
                name=name, value=text, reason=f"there is no escape %{letter} (Flume drops it)"
            )
    if at < len(text):
        parts.append(text[at:])
    return parts
