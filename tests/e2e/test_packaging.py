"""A source distribution made of a clean checkout builds a wheel that has every native module and imports."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NATIVE = sorted(path.stem for path in (ROOT / "native").glob("*.pyx"))
# -O0: this is about what is packed, not how fast it runs.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"LOGFLUME_DEBUG": "1"}


def run(*command: str | Path, cwd: Path) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git knows or would take: what a clone has, and nothing built."""
    target = tmp_path_factory.mktemp("checkout")
    names = run(
        "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT
    ).split("\0")
    for name in names:
        if name and not name.startswith(("tests/", "bench/")) and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


@pytest.fixture(scope="module")
def unpacked_sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "setup.py", "-q", "sdist", "--dist-dir", target, cwd=checkout)
    (archive,) = target.glob("logflume-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(target, filter="data")
    return archive.with_name(archive.name.removesuffix(".tar.gz"))


def test_sdist_holds_every_native_file(unpacked_sdist: Path) -> None:
    for folder in (".", "csrc", "include/lf"):
        wanted = {
            path.name
            for ending in ("pyx", "c", "h")
            for path in (ROOT / "native" / folder).glob(f"*.{ending}")
        }
        packed = unpacked_sdist / "native" / folder
        assert wanted <= ({path.name for path in packed.iterdir()} if packed.is_dir() else set())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_sdist_builds_a_wheel_that_imports(unpacked_sdist: Path, tmp_path: Path) -> None:
    run(sys.executable, "setup.py", "-q", "bdist_wheel", "--dist-dir", tmp_path, cwd=unpacked_sdist)
    (wheel,) = tmp_path.glob("logflume-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    code = (
        "import importlib, logflume\n"
        f"files = [importlib.import_module('logflume._native.' + name).__file__ for name in {NATIVE!r}]\n"
        "print([logflume.__file__, *files])"
    )
    # -S and only the wheel's folder: neither the source tree nor the editable install can answer.
    numpy = Path(pytest.importorskip("numpy").__file__).parents[1]
    path = f"import sys; sys.path[:0] = [{str(tmp_path / 'site')!r}, {str(numpy)!r}]\n"
    files = ast.literal_eval(run(sys.executable, "-S", "-c", path + code, cwd=tmp_path))
    assert len(files) == len(NATIVE) + 1
    assert all(Path(file).is_relative_to(tmp_path / "site") for file in files), files


def test_missing_library_stops_the_build_and_names_the_package(
    checkout: Path, tmp_path: Path
) -> None:
    bare = {k: v for k, v in ENVIRONMENT.items() if not k.startswith("PKG_CONFIG")}
    bare |= {"PKG_CONFIG_LIBDIR": str(tmp_path)}
    command = [sys.executable, "setup.py", "build_ext", "--build-lib", str(tmp_path / "lib")]
    done = subprocess.run(
        command, cwd=checkout, env=bare, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    for package in (
        "libisal-dev",
        "isa-l-devel",
        "isa-l-dev",
        "isa-l",
        "libsnappy-dev",
        "lz4-devel",
    ):
        assert package in done.stderr
