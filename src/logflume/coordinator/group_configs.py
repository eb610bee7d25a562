"""Options of single groups, in one file of the directory: `logflume-groups.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logflume.config import parse, update
from logflume.config.group import GroupConfig
from logflume.config.names import check_group
from logflume.log.layout import GROUP_CONFIGS_FILE
from logflume.log.shared_document import SharedDocument

__all__ = ["GroupConfigs"]

_VERSION = 1
_PLAIN = GroupConfig({})


class GroupConfigs(SharedDocument[Mapping[str, GroupConfig]]):
    """Those of one directory, by its path. Thread-safe.

    Raises CorruptRecord, UnsupportedFormat for a file that is not understood.
    """

    def __init__(self, directory: str, *, lock_timeout_s: float = 30.0) -> None:
        super().__init__(
            directory, GROUP_CONFIGS_FILE, {}, version=_VERSION, lock_timeout_s=lock_timeout_s
        )

    def of(self, group: str) -> GroupConfig:
        """What is set for a group; seen a moment after it was changed."""
        return self.current().get(group, _PLAIN)

    def alter(
        self, group: str, changes: Mapping[str, object], *, validate_only: bool = False
    ) -> None:
        """Set options; None sets one back. On disk when this returns; not on the event loop.

        Raises InvalidGroup, UnknownConfig, InvalidConfig, and as `change`.
        """
        check_group(group)
        update(self.of(group), changes)
        if not validate_only:
            self.change(
                lambda groups: {**groups, group: update(groups.get(group, _PLAIN), changes)}
            )

    def forget(self, group: str) -> None:
        """Set all options of a group back. Raises as `change`."""
        if group in self.current():
            self.change(lambda groups: {name: c for name, c in groups.items() if name != group})

    def _load(self, document: Mapping[str, Any]) -> Mapping[str, GroupConfig]:
        return {name: parse(GroupConfig, kept) for name, kept in document["groups"].items()}

    def _dump(self, state: Mapping[str, GroupConfig]) -> dict[str, Any]:
        kept = {name: config.strings() for name, config in sorted(state.items())}
        return {"groups": {name: options for name, options in kept.items() if options}}
