"""Runs against the source tree and, copied elsewhere, against an installed wheel: needs pytest and numpy only."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import logflume
import logflume._native

NATIVE = sorted(module.name for module in pkgutil.iter_modules(logflume._native.__path__))


def test_there_are_native_modules_and_each_can_be_imported() -> None:
    assert NATIVE
    for name in NATIVE:
        module = importlib.import_module(f"logflume._native.{name}")
        assert module.__file__ is not None
        assert module.__file__.endswith(".so")


def test_version_on_the_command_line() -> None:
    script = Path(sys.executable).with_name("logflume")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=False)
    if importlib.util.find_spec("cyclopts") is None and done.returncode:
        assert done.returncode == 1
        assert "logflume[cli]" in done.stderr
    else:
        answer = (done.returncode, done.stdout.strip())
        assert answer == (0, f"logflume {logflume.__version__}"), done.stderr


def test_the_package_is_marked_as_typed() -> None:
    assert os.path.exists(Path(logflume.__file__).with_name("py.typed"))
