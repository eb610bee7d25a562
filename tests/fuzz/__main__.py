"""python -m fuzz SECONDS [--seed N] [TARGET ...]: each target that long; says how many executions, and the seed."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from typing import Any

from fuzz.targets import TARGETS

_AT_A_TIME = 200


def run(name: str, seconds: float, seed: int) -> int:
    """Executions of one target; an exception stops it."""
    target: Any = TARGETS[name](seed)
    count = 0
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            for _ in range(_AT_A_TIME):
                target()
            count += _AT_A_TIME
    finally:
        if hasattr(target, "close"):
            target.close()
    return count


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=time.time_ns() % (1 << 32))
    parser.add_argument("targets", nargs="*")
    asked = parser.parse_intermixed_args()
    logging.disable(logging.WARNING)  # strangers' requests are logged, one line each
    for name in asked.targets or TARGETS:
        print(f"{name}: seed {asked.seed}", end=" ", flush=True)
        print(f"{run(name, asked.seconds, asked.seed):,} executions, nothing found", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
