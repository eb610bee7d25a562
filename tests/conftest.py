"""What holds for all tests: an example of hypothesis may take as long as the machine needs (no timed assertions)."""

from __future__ import annotations

import asyncio

import hypothesis
import pytest

hypothesis.settings.register_profile("logflume", deadline=None)
hypothesis.settings.load_profile("logflume")


@pytest.fixture(params=["asyncio", "uvloop"])
def run_loop(request):
    """`asyncio.run`, and uvloop's where that is installed."""
    if request.param == "uvloop":
        return pytest.importorskip("uvloop").run
    return asyncio.run
