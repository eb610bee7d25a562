"""Regular expressions that members subscribe with, matched by RE2: no expression can take for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .group_errors import GroupError, GroupRefused

__all__ = ["compile_pattern", "matching_topics"]

PATTERN_SIZE_MAX = 10_000
MEMORY_MAX = 1 << 20


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Whether a whole name matches. Raises GroupRefused: INVALID_REGULAR_EXPRESSION.

    Kafka matches by RE2/J; google-re2 (of the extra `broker`) is the library that one is a port of.
    """
    import re2

    if len(pattern) > PATTERN_SIZE_MAX:
        raise GroupRefused(
            GroupError.INVALID_REGULAR_EXPRESSION,
            f"SubscribedTopicRegex has more than {PATTERN_SIZE_MAX} characters.",
        )
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY_MAX
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise GroupRefused(
            GroupError.INVALID_REGULAR_EXPRESSION,
            f"SubscribedTopicRegex `{pattern}` is not a valid regular expression: {error}.",
        ) from error
    return lambda name: compiled.fullmatch(name) is not None


def matching_topics(pattern: str, names: Iterable[str]) -> frozenset[str]:
    """The names that an expression stands for. Raises GroupRefused."""
    matches = compile_pattern(pattern)
    return frozenset(name for name in names if matches(name))
