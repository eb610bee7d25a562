"""Headers from parts of the body."""

from __future__ import annotations

import datetime
import re

from logflume.agent.components import Interceptor
from logflume.agent.java_regex import Regex
from logflume.agent.joda import to_strptime
from logflume.agent.options import ComponentConfig, Names, family, needed
from logflume.agent.registry import interceptor
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from logflume.agent.events import EventBatch

__all__ = [
    "RegexExtractor",
    "RegexExtractorConfig",
]

_DEFAULT = (
    "default",
    "org.apache.flume.interceptor.regexextractorinterceptorpassthroughserializer",
)
_MILLIS = ("org.apache.flume.interceptor.regexextractorinterceptormillisserializer",)


class RegexExtractorConfig(ComponentConfig, table="regex extractor interceptor"):
    """Flume guide, "Regex Extractor Interceptor"."""

    regex: re.Pattern[str] = needed("regex", Regex(), doc="Its groups become headers.")
    serializers: tuple[str, ...] = needed(
        "serializers", Names(), doc="Names of the serializers, one for each group."
    )
    parts: dict[str, str] = family(
        "serializers.",
        doc="`S.name`: the header; `S.type`: default, or the class that makes ms of a date.",
    )


@interceptor("regex_extractor", "org.apache.flume.interceptor.RegexExtractorInterceptor")
class RegexExtractor(Interceptor):
    """The first match's groups, each through its serializer, into headers; other events stay as they are."""

    Config = RegexExtractorConfig

    def setup(self) -> None:
        names = self.config.serializers
        groups = self.config.regex.groups
        if groups < len(names):
            raise InvalidConfig(
                name="serializers",
                value=" ".join(names),
                reason=f"the expression has {groups} groups, for {len(names)} serializers",
            )
        self._parts = [self._part(name) for name in names]

    def _part(self, name: str) -> tuple[str, Callable[[str], str]]:
        given = self.config.parts
        unknown = [
            key
            for key in given
            if key.partition(".")[0] == name and key.partition(".")[2] not in _KEYS
        ]
        if unknown:
            raise InvalidConfig(
                name=f"serializers.{unknown[0]}",
                value=given[unknown[0]],
                reason="is no property of a serializer",
            )
        header = given.get(f"{name}.name")
        if not header:
            raise InvalidConfig(name=f"serializers.{name}.name", value=None, reason="must be given")
        kind = given.get(f"{name}.type", "default").lower()
        if kind in _DEFAULT:
            return header, str
        if kind in _MILLIS:
            where = f"serializers.{name}.pattern"
            pattern = given.get(f"{name}.pattern")
            if not pattern:
                raise InvalidConfig(name=where, value=None, reason="must be given")
            try:
                return header, _Millis(to_strptime(pattern))
            except ValueError as error:
                raise InvalidConfig(name=where, value=pattern, reason=str(error)) from None
        raise InvalidConfig(
            name=f"serializers.{name}.type", value=kind, reason="there is no such serializer"
        )

    def intercept(self, batch: EventBatch) -> EventBatch:
        search = self.config.regex.search
        columns: list[list[str | None]] = [[] for _ in self._parts]
        for body in batch.body_list():
            match = search(body.decode("utf-8", "replace"))
            for i, (_, serialize) in enumerate(self._parts):
                text = match[i + 1] if match is not None else None
                columns[i].append(None if text is None else serialize(text))
        for (header, _), column in zip(self._parts, columns, strict=True):
            old = batch.header(header)
            merged = [
                new if new is not None else before for new, before in zip(column, old, strict=True)
            ]
            batch = batch.with_header(header, merged)
        return batch


_KEYS = ("name", "type", "pattern")


class _Millis:
    """A date as milliseconds since 1970; in this machine's zone, if it names none."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def __call__(self, text: str) -> str:
        return str(round(datetime.datetime.strptime(text, self._pattern).timestamp() * 1000))
