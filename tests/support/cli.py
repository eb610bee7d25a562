"""Running the command line: in this process, or as a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from logflume.cli import main


@dataclass
class Result:
    """What one run gave."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def jsons(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]


class Runner:
    """`run("ls")` runs `logflume --dir <directory> ls` in this process."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self._patch = patch

    def __call__(self, *words: object, expect: int = 0) -> Result:
        out, err = io.BytesIO(), io.BytesIO()
        with self._patch.context() as patch:
            patch.delenv("LOGFLUME_DIR", raising=False)
            patch.setattr(
                sys, "stdout", io.TextIOWrapper(out, encoding="utf-8", write_through=True)
            )
            patch.setattr(
                sys, "stderr", io.TextIOWrapper(err, encoding="utf-8", write_through=True)
            )
            patch.setattr(sys, "stdin", io.StringIO())
            code = main(["--dir", str(self.directory), *map(str, words)])
            sys.stdout.flush()
            sys.stderr.flush()
            result = Result(code, out.getvalue(), err.getvalue().decode())
        assert result.code == expect, (result.out, result.err)
        if expect in (1, 2):
            assert "Traceback" not in result.err
        return result

    def fails(self, *words: object) -> str:
        """Exit code 1 and one line on standard error, which is returned."""
        return _one_line(self(*words, expect=1))

    def misused(self, *words: object) -> str:
        """Exit code 2 and one line on standard error, which is returned."""
        return _one_line(self(*words, expect=2))

    def process(self, *words: object, **options: Any) -> subprocess.Popen[bytes]:
        """The same as a process, with pipes unless `options` say otherwise."""
        given = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "env": {k: v for k, v in os.environ.items() if not k.startswith("LOGFLUME_")},
            **options,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "logflume", "--dir", str(self.directory), *map(str, words)],
            **given,
        )


def _one_line(result: Result) -> str:
    assert result.err.startswith("logflume: "), result.err
    assert result.err.count("\n") == 1, result.err
    return result.err
