"""One bit flipped, anywhere in any file: it is named, or it changes nothing; what is not hit stays readable."""

from __future__ import annotations

import os
import tempfile
import time

import pytest

from support.children import Child

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]

SOAK = float(os.environ.get("LOGFLUME_SOAK", "0"))
SEED = int(os.environ.get("LOGFLUME_SEED", time.time_ns() % 1_000_000))


@pytest.mark.parametrize("codec", [0, 3])
@pytest.mark.parametrize("clean", [True, False], ids=["closed", "killed"])
def test_every_byte_flipped(clean: bool, codec: int) -> None:
    """One bit of every byte, chosen at random; all eight with LOGFLUME_SOAK."""
    print(f"LOGFLUME_SEED={SEED}")
    # Every case opens and closes, which syncs: in memory where there is such a file system.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as directory, Child(
        "crash.flips", "run", directory=directory, clean=clean, codec=codec, seed=SEED, every_bit=SOAK > 0
    ) as child:  # fmt: skip
        status = child.finish(880)
        assert status == 0, f"{child.lines[-1]}\n{child.errors()}"
        assert child.lines[-1][0] == "done", child.lines[-1]
        counts = dict(word.split("=") for word in child.lines[-1][1:])
        assert int(counts["reported"]) > 500
        assert int(counts["harmless"]) > 100
