"""Importing kio without hypothesis.

kio registers strategies for its types where hypothesis is installed, and imports it for that: 150 ms more, in the
moment when the first clients come. Nobody needs them in a broker. So its module that asks for hypothesis is run with
an `import` that has none; nothing else in the process is touched, and a program that has imported hypothesis or kio
already is left as it is.

The import system itself runs that module, by a loader of ours: a thread that imports it while another does so waits.
"""

from __future__ import annotations

import builtins
import sys
from functools import cache
from importlib.machinery import PathFinder
from typing import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

__all__ = ["import_kio"]

_ASKS = "kio.static._phantom"


class _Loading:
    """Another loader, for a module that finds no hypothesis unless the program has imported it."""

    def __init__(self, real: Loader) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if "hypothesis" not in sys.modules:
            module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _without_hypothesis}
        self._real.exec_module(module)


class _Finding:
    """Finds one module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname == _ASKS else None
        if spec is not None and spec.loader is not None:
            spec.loader = cast("Loader", _Loading(spec.loader))
        return spec


@cache
def import_kio() -> None:
    """Call before the first import of anything of kio's. Thread-safe."""
    if _ASKS not in sys.modules:
        # It stays there: to take it out could make another thread's import skip a finder.
        sys.meta_path.insert(0, _Finding())
    import kio.static.primitive  # noqa: F401


def _without_hypothesis(name: str, *args: Any, **kwargs: Any) -> Any:
    if name.partition(".")[0] == "hypothesis":
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return builtins.__import__(name, *args, **kwargs)
