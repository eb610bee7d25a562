"""Interceptors over bodies: a filter, and search and replace."""

from __future__ import annotations

import re

from logflume.agent.components import Interceptor
from logflume.agent.java_regex import Regex, replacement
from logflume.agent.options import AnyText, ComponentConfig, needed, setting
from logflume.agent.registry import interceptor
from logflume.config.kinds import Bool, Text
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch

__all__ = [
    "RegexFilter",
    "RegexFilterConfig",
    "SearchReplace",
    "SearchReplaceConfig",
]


class RegexFilterConfig(ComponentConfig, table="regex filter interceptor"):
    """Flume guide, "Regex Filtering Interceptor"."""

    regex: re.Pattern[str] | str = setting(
        "regex", ".*", Regex(), doc="Looked for anywhere in the body."
    )
    exclude_events: bool = setting(
        "excludeEvents", False, Bool(), doc="Drop the events that match, instead of the others."
    )


@interceptor("regex_filter", "org.apache.flume.interceptor.RegexFilteringInterceptor")
class RegexFilter(Interceptor):
    """Bodies are read as UTF-8; bytes that are none match as the replacement character."""

    Config = RegexFilterConfig

    def setup(self) -> None:
        self._search = re.compile(self.config.regex).search

    def intercept(self, batch: EventBatch) -> EventBatch:
        search, drop = self._search, self.config.exclude_events
        kept = [
            i
            for i, body in enumerate(batch.body_list())
            if (search(body.decode("utf-8", "replace")) is None) == drop
        ]
        return batch.select(kept)


class SearchReplaceConfig(ComponentConfig, table="search and replace interceptor"):
    """Flume guide, "Search and Replace Interceptor"."""

    search_pattern: re.Pattern[str] = needed("searchPattern", Regex(), doc="What to look for.")
    replace_string: str = setting(
        "replaceString",
        "",
        AnyText(),
        doc="What to put there; `$1` is what the first group matched.",
    )
    charset: str = setting("charset", "UTF-8", Text(), doc="How bodies are encoded.")


@interceptor("search_replace", "org.apache.flume.interceptor.SearchAndReplaceInterceptor")
class SearchReplace(Interceptor):
    """Replaces every match in the body."""

    Config = SearchReplaceConfig

    def setup(self) -> None:
        self._with = replacement(self.config.replace_string)
        try:
            "".encode(self.config.charset)
            self.config.search_pattern.sub(self._with, "")
        except LookupError:
            raise InvalidConfig(
                name="charset", value=self.config.charset, reason="is no known encoding"
            ) from None
        except re.error as error:
            raise InvalidConfig(
                name="replaceString", value=self.config.replace_string, reason=str(error)
            ) from None

    def intercept(self, batch: EventBatch) -> EventBatch:
        pattern, charset, text = self.config.search_pattern, self.config.charset, self._with
        return batch.with_bodies(
            [
                pattern.sub(text, body.decode(charset, "replace")).encode(charset)
                for body in batch.body_list()
            ]
        )
