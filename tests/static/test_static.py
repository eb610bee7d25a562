"""Linters and type checkers, each a test: `make test` and CI need no second command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sys.executable).parent
ENVIRONMENT = os.environ | {
    "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
}  # they call each other
NATIVE = sorted(path.stem for path in (ROOT / "native").glob("*.pyx"))


def run(*command: str) -> None:
    """Runs a checker in the project's root and fails with what it printed."""
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout}{done.stderr}", pytrace=False)


def test_ruff_finds_nothing() -> None:
    run(str(SCRIPTS / "ruff"), "check", "--output-format=concise", ".")


def test_python_is_formatted() -> None:
    run(str(SCRIPTS / "ruff"), "format", "--check", ".")


def test_cython_lint_finds_nothing() -> None:
    run(str(SCRIPTS / "cython-lint"), "native", "src/logflume/_native")


@pytest.mark.timeout(300)
def test_types_hold() -> None:
    run(sys.executable, "-m", "mypy")


@pytest.mark.timeout(300)
def test_a_users_program_is_typed() -> None:
    run(sys.executable, "-m", "mypy", "--strict", "tests/typing/program.py")


@pytest.mark.timeout(300)
def test_stubs_match_the_native_modules() -> None:
    if not NATIVE:
        pytest.skip("no native modules yet")
    run(
        sys.executable,
        "-m",
        "mypy.stubtest",
        "--ignore-disjoint-bases",
        "--allowlist=tests/static/stubtest_allowlist.txt",
        "--ignore-unused-allowlist",
        *(f"logflume._native.{name}" for name in NATIVE),
    )


def test_no_code_is_dead() -> None:
    """Nothing that neither a program nor a test uses; options are used by those who set them."""
    done = subprocess.run(
        [sys.executable, "-m", "vulture"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 3), done.stderr
    dead = []
    for line in done.stdout.splitlines():
        path, number, what = line.split(":", 2)
        code = (ROOT / path).read_text().splitlines()[int(number) - 1]
        of_tests = path.startswith("tests/") and not path.startswith("tests/support/")
        if not of_tests and not re.search(r"= (option|setting|family)\(", code):
            dead.append(f"{path}:{number}:{what}")
    assert not dead, "\n".join(dead)


def test_rooms_import_downwards_only() -> None:
    run(str(SCRIPTS / "lint-imports"), "--no-cache")


def test_no_typed_memoryviews() -> None:
    """Each brings 60 KB of Cython's code into its module, and into every module that cimports it (native/README.md)."""
    folders = ROOT / "native", ROOT / "src/logflume/_native"
    files = [path for folder in folders for path in folder.glob("*.p[yx][xd]")]
    assert files
    assert not [
        path.name
        for path in files
        if re.search(r"^\s*cdef .*\w\[::?1?\] |\(.*_t\[::?1?\] ", path.read_text(), re.MULTILINE)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", NATIVE)
def test_cython_has_no_performance_hint(name: str, tmp_path: Path) -> None:
    """A forgotten `noexcept` makes a nogil call many times dearer: it takes the GIL to look for errors."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "cython",
            "-3",
            "-Isrc",
            "--module-name",
            f"logflume._native.{name}",
            f"native/{name}.pyx",
            "-o",
            str(tmp_path / f"{name}.c"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "performance hint" not in said.lower(), said
