"""What needs an extra says which one, wherever it is first asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# As if the package were not installed.
WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == sys.argv[1] else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without

import logflume
from logflume import bridge, errors
from logflume.agent import load as agent_load

log = logflume.open("data")
log.create_topic("t")
log.partition("t", 0).append(b"x")
try:
    eval(sys.argv[2])
except errors.MissingExtra as error:
    assert isinstance(error, ImportError)
    print(error.extra, str(error).partition(":")[0])
log.close()
"""


@pytest.mark.parametrize(
    ("extra", "package", "use"),
    [
        ("arrow", "pyarrow", "log['t'].scan().to_arrow()"),
        ("arrow", "pyarrow", "log.partition('t', 0).read_batch(0).to_arrow()"),
        ("broker", "kio", "logflume.serve(log)"),
        ("broker", "kio", "logflume.serve('other')"),
        ("kafka", "confluent_kafka", "logflume.open('kafka://127.0.0.1:1').topics()"),
        ("agent", "javaproperties", "agent_load(['flume.properties'], 'a1')"),
        ("store", "obstore", "bridge.open_archive('s3://bucket/prefix')"),
    ],
)
def test_a_missing_package_is_a_missing_extra(
    extra: str, package: str, use: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, package, use],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    said = done.stdout.strip()
    assert said.startswith(f"{extra} "), done.stderr
    assert said.endswith(f" needs pip install 'logflume[{extra}]'"), said
