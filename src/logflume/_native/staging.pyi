from typing import final

__all__ = ["Stage"]

@final
class Stage: ...
