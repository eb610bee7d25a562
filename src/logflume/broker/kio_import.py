"""Importing kio without hypothesis.

kio registers strategies for its types where hypothesis is installed, and imports it for that: 150 ms more, in the
moment when the first clients come. Nobody needs them in a broker. So its module that asks for hypothesis is run with
an `import` that has none; nothing else in the process is touched, and a program that has imported hypothesis or kio
already is left as it is.
"""

from __future__ import annotations

import builtins
import sys
from functools import cache
from importlib.util import find_spec, module_from_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["import_kio"]

_ASKS = "kio.static._phantom"


@cache
def import_kio() -> None:
    """Call before the first import of anything of kio's."""
    if "hypothesis" not in sys.modules and _ASKS not in sys.modules:
        spec = find_spec(_ASKS)  # which imports the packages above it: they are empty
        if spec is not None and spec.loader is not None:
            module = module_from_spec(spec)
            module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _without_hypothesis}
            sys.modules[_ASKS] = module
            try:
                spec.loader.exec_module(module)
            except BaseException:
                del sys.modules[_ASKS]
                raise
    import kio.static.primitive  # noqa: F401


def _without_hypothesis(name: str, *args: Any, **kwargs: Any) -> Any:
    if name.partition(".")[0] == "hypothesis":
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return builtins.__import__(name, *args, **kwargs)
