"""`make wheel`: builds the wheel, bundles its libraries, installs it in an empty venv and tries it there.

What is shown, each a failure when it is not so:

1. the wheel holds every native module and is under 3 MB;
2. the smoke tests pass in a fresh virtual environment, from a folder where the source tree cannot be imported;
3. after importing every native module, the process maps the bundled libraries and none of the system's;
4. all that again where the system has neither the libraries nor their headers: in a private mount namespace
   an empty file lies over each of them (needs root or user namespaces; without, it says so and goes on).

zlib is the exception: it belongs to the manylinux base, so auditwheel leaves it to the system.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIZE_MAX = 3 * 1000 * 1000
BUNDLED = ("liblz4", "libzstd", "libsnappy", "libisal", "libxxhash")

# Run inside the empty environment: which shared libraries are mapped once everything is imported.
SHOW_MAPS = """
import importlib, pkgutil, sys
import logflume, logflume._native
for module in pkgutil.iter_modules(logflume._native.__path__):
    importlib.import_module("logflume._native." + module.name)
print(logflume.__file__)
with open("/proc/self/maps") as maps:
    print(*sorted({line.split()[-1] for line in maps if ".so" in line}), sep="\\n")
"""


class Failed(Exception):
    """The wheel is not what it must be."""


def run(*command: str | Path, cwd: Path = ROOT, capture: bool = False) -> str:
    """Runs a command; raises Failed with its words when it fails."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env=environment, text=True, capture_output=capture, check=False
    )
    if done.returncode:
        raise Failed(
            f"{' '.join(words)}: exit {done.returncode}\n{done.stdout or ''}{done.stderr or ''}"
        )
    return done.stdout or ""


def native_modules() -> set[str]:
    """Names of the modules that native/ has."""
    return {path.stem for path in (ROOT / "native").glob("*.pyx")}


def build() -> Path:
    """The repaired wheel, in wheelhouse/."""
    for folder in ["dist", "wheelhouse", *map(str, (ROOT / "build").glob("lib.*"))]:
        shutil.rmtree(ROOT / folder, ignore_errors=True)  # a stale module would be packed too
    run(
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        "dist",
        ".",
        capture=True,
    )
    (raw,) = (ROOT / "dist").glob("logflume-*.whl")
    run(
        sys.executable,
        "-m",
        "auditwheel",
        "repair",
        "--strip",
        "--zip-compression-level=9",
        "-w",
        "wheelhouse",
        raw,
        capture=True,
    )
    (wheel,) = (ROOT / "wheelhouse").glob("logflume-*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    """Every native module is inside, the libraries too, and the size is bounded."""
    size = wheel.stat().st_size
    print(f"wheel: {wheel.name}, {size / 1e6:.2f} MB")
    if size > SIZE_MAX:
        raise Failed(f"the wheel has {size} bytes, more than {SIZE_MAX}")
    names = zipfile.ZipFile(wheel).namelist()
    inside = {
        match[1]
        for name in names
        if (match := re.match(r"logflume/_native/(\w+)\.[^/]*\.so$", name))
    }
    if inside != native_modules():
        raise Failed(
            f"native modules in the wheel: {sorted(inside)}, in native/: {sorted(native_modules())}"
        )
    for name in (*native_modules(), "py.typed"):
        wanted = (
            ["logflume/py.typed"]
            if name == "py.typed"
            else [f"logflume/_native/{name}.{e}" for e in ("pxd", "pyi")]
        )
        if missing := [path for path in wanted if path not in names]:
            raise Failed(f"not in the wheel: {missing}")


def check_maps(python: Path, empty: Path) -> None:
    """Imports everything and looks at what the process has mapped."""
    home, *mapped = run(python, "-c", SHOW_MAPS, cwd=empty, capture=True).split("\n")
    if not Path(home).is_relative_to(empty):
        raise Failed(f"imported {home}, not the installed wheel")
    ours = [path for path in mapped if Path(path).name.startswith(BUNDLED)]
    foreign = [path for path in ours if not Path(path).is_relative_to(empty)]
    if foreign:
        raise Failed(f"uses the system's libraries: {foreign}")
    if mapped and any(path.is_relative_to(empty) for path in map(Path, mapped)):
        print(
            "wheel: bundled and mapped:",
            ", ".join(sorted({Path(path).name for path in ours})) or "none needed",
        )


def check_smoke(python: Path, empty: Path, *prefix: str | Path) -> None:
    """The smoke tests, copied away from the tree."""
    tests = empty / "tests"
    tests.mkdir(exist_ok=True)
    shutil.copy(ROOT / "tests/e2e/test_smoke.py", tests)
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "--rootdir",
        str(tests),
        "-W",
        "error",
    ]
    run(*prefix, python, "-m", "pytest", *options, tests / "test_smoke.py", cwd=empty)


def system_files() -> list[Path]:
    """The system's copies of the bundled libraries and every header or link file of theirs."""
    listed = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    found = [
        Path(line.split()[-1]) for line in listed.splitlines() if line.strip().startswith(BUNDLED)
    ]
    headers = ("lz4*.h", "zstd*.h", "zdict.h", "snappy*.h", "isa-l*", "xxh*.h", "zlib.h", "zconf.h")
    found += [path for pattern in headers for path in Path("/usr/include").glob(pattern)]
    return sorted({path.resolve() for path in found if path.exists()})


def without_system_libraries() -> list[str] | None:
    """A command prefix under which the system's copies are hidden, or None where that is not allowed."""
    prefix = ["unshare", "--mount", "--propagation", "private"]
    if os.getuid():
        prefix.insert(1, "--map-root-user")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        return None
    hide = []
    for path in system_files():
        hide.append(
            f"mount -t tmpfs none {path}" if path.is_dir() else f"mount --bind /dev/null {path}"
        )
    return [*prefix, "sh", "-ec", "\n".join([*hide, 'exec "$@"']), "hidden"]


def check_hidden(python: Path, empty: Path, hidden: list[str]) -> None:
    """The hiding hides: otherwise the second run would show nothing."""
    load = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"
    listed = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    for name in {
        line.split()[0] for line in listed.splitlines() if line.strip().startswith(BUNDLED)
    }:
        command = [*hidden, str(python), "-c", load, name]
        if not subprocess.run(command, cwd=empty, capture_output=True, check=False).returncode:
            raise Failed(f"{name} of the system can still be loaded where it should be hidden")


def main() -> int:
    """Everything in order; 1 and the reason when a step says no."""
    try:
        wheel = build()
        check_contents(wheel)
        with tempfile.TemporaryDirectory(prefix="logflume-wheel-") as folder:
            empty = Path(folder).resolve()
            venv.create(empty / "venv", with_pip=True)
            python = empty / "venv/bin/python"
            run(
                python,
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "pytest",
                wheel,
                cwd=empty,
            )
            check_maps(python, empty)
            check_smoke(python, empty)
            hidden = without_system_libraries()
            if hidden is None:
                print(
                    "wheel: NOT SHOWN without the system's libraries: no mount namespace to be had here"
                )
            else:
                check_hidden(python, empty, hidden)
                print(
                    f"wheel: again with {len(system_files())} system libraries and headers hidden"
                )
                check_smoke(python, empty, *hidden)
    except Failed as error:
        print(f"wheel: FAILED: {error}", file=sys.stderr)
        return 1
    print(f"wheel: passed, {wheel.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
