"""What `import logflume` costs over the bare interpreter. Budget: 15 ms.

    .venv/bin/python bench/import_time.py [--runs 40]

Interpreters are started in turn, bare and importing, so that both see the same machine; the medians are compared.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

BUDGET_MS = 15.0


def start_ms(code: str) -> float:
    """Milliseconds from starting an interpreter with this code to its end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - began) * 1000


def main() -> int:
    """Prints the medians; 1 when the import is over its budget."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args().runs
    start_ms("import logflume")  # writes the bytecode
    pairs = [(start_ms("pass"), start_ms("import logflume")) for _ in range(runs)]
    bare, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"bare interpreter {bare:.1f} ms, with import logflume {ours:.1f} ms: {ours - bare:.1f} of {BUDGET_MS:.0f} ms"
    )
    return int(ours - bare > BUDGET_MS)


if __name__ == "__main__":
    raise SystemExit(main())
