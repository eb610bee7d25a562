"""Syslog messages of RFC 3164 and RFC 5424, read as Flume's sources read them."""

from __future__ import annotations

import datetime
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["KEEP_ALL", "parse_syslog"]

_PRIORITY = re.compile(rb"<(\d{1,3})>\s?")
_NEW = re.compile(
    rb"(?:(\d{1,2})\s)?"
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)?|-)\s"
    rb"([\w][\w.:@-]*|-)(?:\s(.*))?$",
    re.DOTALL,
)
_OLD = re.compile(
    rb"([A-Z][a-z]{2}\s{1,2}\d{1,2}\s\d\d:\d\d:\d\d)\s([\w][\w.:@-]*)\s(.*)$", re.DOTALL
)
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

KEEP_ALL = frozenset({"priority", "version", "timestamp", "hostname"})
STATUS = "flume.syslog.status"


def parse_syslog(
    message: bytes, keep: Collection[str] = (), now: datetime.datetime | None = None
) -> tuple[dict[str, str], bytes]:
    """Headers and body of one message, without its line end.

    `keep` names the fields (priority, version, timestamp, hostname) that stay in the body, too. Headers are
    `Facility`, `Severity`, `priority`, `version`, `timestamp` (ms since 1970), `host`; what is no syslog message has
    Facility and Severity 0 and `flume.syslog.status` Invalid, and is the body as it came. A date of RFC 3164 has no
    year and no zone: it is the one nearest to `now` in this machine's zone.
    """
    found = _PRIORITY.match(message)
    if found is None or int(found[1]) > 191:
        return {"Facility": "0", "Severity": "0", STATUS: "Invalid"}, message
    priority = int(found[1])
    headers = {
        "Facility": str(priority >> 3),
        "Severity": str(priority & 7),
        "priority": str(priority),
    }
    rest = message[found.end() :]
    kept = found[0] if "priority" in keep else b""
    new = _NEW.match(rest)
    old = None if new else _OLD.match(rest)
    if new is not None:
        version, stamp, host, body = new[1], new[2], new[3], new[4] or b""
        when = None if stamp == b"-" else _iso(stamp.decode())
    elif old is not None:
        version, stamp, host, body = None, old[1], old[2], old[3]
        when = _without_year(stamp.decode(), now or datetime.datetime.now())
    else:
        return headers, kept + rest
    if version is not None:
        headers["version"] = version.decode()
        kept += version + b" " if "version" in keep else b""
    if when is not None:
        headers["timestamp"] = str(when)
    if host != b"-":
        headers["host"] = host.decode()
    kept += stamp + b" " if "timestamp" in keep else b""
    kept += host + b" " if "hostname" in keep else b""
    return headers, kept + body


def _iso(text: str) -> int | None:
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None  # a 31st of April: the message counts, its time does not
    return _ms(when)


def _without_year(text: str, now: datetime.datetime) -> int | None:
    month, day, clock = text.split()
    if month not in _MONTHS:
        return None
    hour, minute, second = (int(part) for part in clock.split(":"))
    # A message of December that comes in January is of the year before; clocks may be a little ahead.
    for year in (now.year + 1, now.year, now.year - 1):
        try:
            when = datetime.datetime(year, _MONTHS.index(month) + 1, int(day), hour, minute, second)
        except ValueError:
            continue
        if when - now <= datetime.timedelta(days=30):
            return _ms(when)
    return None


def _ms(when: datetime.datetime) -> int:
    return round(when.timestamp() * 1000)
