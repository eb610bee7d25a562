"""A Python function of the user's as an interceptor."""

from __future__ import annotations

from logflume.agent.components import Interceptor
from logflume.agent.events import EventBatch
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from logflume.agent.components import Context

__all__ = ["Call"]


class Call(Interceptor):
    """`function(batch) -> EventBatch`; named in the configuration as `package.module:function`."""

    def __init__(
        self, name: str, function: Callable[[EventBatch], EventBatch], context: Context
    ) -> None:
        self._function = function
        super().__init__(name, None, context)

    def intercept(self, batch: EventBatch) -> EventBatch:
        out = self._function(batch)
        if not isinstance(out, EventBatch):
            raise InvalidConfig(
                name=f"interceptors.{self.name}.type",
                value=getattr(self._function, "__qualname__", self._function),
                reason=f"must return an EventBatch, not {type(out).__name__}",
            )
        return out
