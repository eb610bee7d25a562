"""Physical limits: plain C loops that do the least work possible for a path.

Compiled with `cc -O3` when first imported and kept in build/bench/ under a name made of the sources' checksum.
What each function does stands above it in the C files.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import os
import subprocess
import sysconfig
from pathlib import Path
from types import ModuleType

__all__ = ["limits"]

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "bench"
FLAGS = ["-std=gnu11", "-O3", "-Wall", "-Wextra", "-fPIC", "-shared", "-pthread", "-D_GNU_SOURCE"]


def _load() -> ModuleType:
    sources = sorted(HERE.glob("*.c"))
    parts = [path.read_bytes() for path in sorted(HERE.glob("*.[ch]"))]
    stamp = hashlib.sha256(b"".join(parts) + " ".join(FLAGS).encode()).hexdigest()[:16]
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    target = BUILD / f"limits-{stamp}{suffix}"
    if not target.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        include = sysconfig.get_path("include")
        made = target.with_name(f"{target.name}.{os.getpid()}")
        subprocess.run(["cc", *FLAGS, f"-I{include}", "-o", made, *sources, "-lisal"], check=True)
        made.replace(target)
    loader = importlib.machinery.ExtensionFileLoader("limits", str(target))
    spec = importlib.util.spec_from_file_location("limits", target, loader=loader)
    if spec is None:
        raise ImportError(f"{target} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


limits = _load()
