from typing import Any

from logflume._native.queue_record import QueueRecord

__all__ = ["keep_for_ever", "records_of_messages"]

def records_of_messages(messages: list[Any]) -> list[QueueRecord]: ...
def keep_for_ever(thing: object) -> None: ...
