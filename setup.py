"""Builds the native core: native/csrc/*.c into one static library, native/*.pyx into logflume._native.

    .venv/bin/python setup.py build_ext --inplace     only what changed is built again

Everything is listed by name, never found by a glob: a glob that misses gives a wheel without native code
and no error. Adding a file: its name goes into CORE_SOURCES or MODULES below and into MANIFEST.in
(tests/test_rooms.py compares both with the tree).

Environment: LOGFLUME_DEBUG=1 (bounds checks, assertions, -O0), LOGFLUME_SANITIZE=address,undefined,
LOGFLUME_WERROR=1 (warnings in csrc are errors), LOGFLUME_JOBS=N (compilers at once, 2), CC, CFLAGS, LDFLAGS.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent

CORE_SOURCES: list[str] = [  # native/csrc/
    "codec_gzip.c",
    "codec_lz4.c",
    "codec_snappy.c",
    "codec_zstd.c",
    "codecs.c",
]
MODULES: list[str] = [  # native/<name>.pyx -> logflume._native.<name>
]

# pkg-config name -> the package that brings it: Debian and Ubuntu, Fedora and RHEL, Alpine, Homebrew.
LIBRARIES: dict[str, tuple[str, str, str, str]] = {
    "liblz4": ("liblz4-dev", "lz4-devel", "lz4-dev", "lz4"),
    "libzstd": ("libzstd-dev", "libzstd-devel", "zstd-dev", "zstd"),
    "snappy": ("libsnappy-dev", "snappy-devel", "snappy-dev", "snappy"),
    "zlib": ("zlib1g-dev", "zlib-devel", "zlib-dev", "zlib"),
    "libisal": ("libisal-dev", "isa-l-devel", "isa-l-dev", "isa-l"),
    "libxxhash": ("libxxhash-dev", "xxhash-devel", "xxhash-dev", "xxhash"),
}

DEBUG = os.environ.get("LOGFLUME_DEBUG", "") not in ("", "0")
SANITIZE = os.environ.get("LOGFLUME_SANITIZE", "")
WERROR = os.environ.get("LOGFLUME_WERROR", "") not in ("", "0")
JOBS = int(os.environ.get("LOGFLUME_JOBS", "2"))

CHECKED = DEBUG or bool(SANITIZE)
DIRECTIVES: dict[str, object] = {
    "language_level": 3,
    "boundscheck": CHECKED,
    "wraparound": False,
    "initializedcheck": CHECKED,
    "cdivision": True,
    "embedsignature": True,
    "embedsignature.format": "python",
    "binding": True,
    "auto_pickle": False,
}


def compile_flags() -> list[str]:
    """Flags of every C file. No -march: isa-l and the codecs choose their code at run time (decision 002)."""
    flags = [
        "-std=gnu11",
        "-fPIC",
        "-pthread",
        "-fvisibility=hidden",
        "-fno-strict-aliasing",
        "-D_GNU_SOURCE",
    ]
    flags += ["-Inative/include"]
    if DEBUG:
        flags += ["-O0", "-g", "-UNDEBUG", "-DLF_DEBUG=1"]
    elif SANITIZE:
        flags += ["-O1", "-g", "-UNDEBUG"]
    else:
        flags += ["-O3", "-g0", "-ffunction-sections", "-fdata-sections"]
    if SANITIZE:
        flags += [
            f"-fsanitize={SANITIZE}",
            "-fno-sanitize-recover=undefined",
            "-fno-omit-frame-pointer",
        ]
    return flags


# What Cython's output cannot help; our own C is held to -Wall -Wextra.
CYTHON_WARNINGS = [
    "-Wall",
    "-Wno-unused-function",
    "-Wno-unused-variable",
    "-Wno-maybe-uninitialized",
]
CORE_WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wvla", *(["-Werror"] if WERROR else [])]


def link_flags() -> list[str]:
    """Flags of every extension: only the libraries it calls, only the core's functions it calls."""
    flags = ["-pthread", "-Wl,--as-needed"]
    if SANITIZE:
        return [*flags, f"-fsanitize={SANITIZE}"]
    return [*flags, "-Wl,--gc-sections", "-Wl,--exclude-libs,ALL"]


def require_linux() -> None:
    """Stops with the reason on any other system."""
    if not sys.platform.startswith("linux"):
        raise SystemExit(
            f"logflume needs Linux, this is {sys.platform}: a partition is shared between processes by robust futexes "
            "and open-file-description locks, which other systems lack (docs/platforms.md)"
        )


def library_flags() -> tuple[list[str], list[str]]:
    """(compile flags, link flags) of the libraries, from pkg-config; stops with the packages to install."""
    pkg_config = os.environ.get("PKG_CONFIG", "pkg-config")
    if shutil.which(pkg_config) is None:
        raise SystemExit(
            "logflume: pkg-config is missing, which finds the C libraries. Install it: "
            "Debian/Ubuntu pkg-config, Fedora/RHEL pkgconf-pkg-config, Alpine pkgconf, Homebrew pkgconf"
        )
    missing = [
        name
        for name in LIBRARIES
        if subprocess.run([pkg_config, "--exists", name], check=False).returncode
    ]
    if missing:
        lines = ["logflume: C libraries are missing (with their headers). Install:"]
        for column, system in enumerate(("Debian/Ubuntu: apt-get install", "Fedora/RHEL:   dnf install",
                                         "Alpine:        apk add", "Homebrew:      brew install")):  # fmt: skip
            lines.append(f"  {system} " + " ".join(LIBRARIES[name][column] for name in missing))
        raise SystemExit(
            "\n".join([*lines, "  (not found by pkg-config: " + ", ".join(missing) + ")"])
        )

    def ask(flag: str) -> list[str]:
        answer = subprocess.run(
            [pkg_config, flag, *LIBRARIES], check=True, capture_output=True, text=True
        )
        return shlex.split(answer.stdout)

    return ask("--cflags"), ask("--libs")


class BuildFailed(Exception):
    """A compiler said no; its own message is already printed."""


class Steps:
    """Runs a command when its output is missing, older than an input, or was made by another command."""

    def __init__(self, *, force: bool) -> None:
        self.force = force

    def run(
        self, output: Path, inputs: list[Path], command: list[str], depfile: Path | None = None
    ) -> bool:
        """Returns whether the command ran. Raises BuildFailed when it fails."""
        record = output.with_name(output.name + ".cmd")
        line = shlex.join(command)
        if not self.force and self._fresh(output, inputs, depfile, record, line):
            return False
        output.parent.mkdir(parents=True, exist_ok=True)
        record.unlink(missing_ok=True)
        output.unlink(missing_ok=True)  # `ar` would keep the members of an old archive
        print(f"  {Path(command[0]).name:>8}  {output.name}", flush=True)
        result = subprocess.run(
            command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if result.stdout.strip():
            print(result.stdout, end="", flush=True)
        if result.returncode:
            output.unlink(missing_ok=True)
            raise BuildFailed(f"{output.name}: exit {result.returncode} of: {line}")
        record.write_text(line)
        return True

    @staticmethod
    def _fresh(
        output: Path, inputs: list[Path], depfile: Path | None, record: Path, line: str
    ) -> bool:
        if not output.exists() or not record.exists() or record.read_text() != line:
            return False
        needed = list(inputs)
        if depfile is not None:
            if not depfile.exists():
                return False
            words = depfile.read_text().replace("\\\n", " ").split()
            needed += [Path(word) for word in words if not word.endswith(":")]
        made = output.stat().st_mtime_ns
        return all(path.exists() and path.stat().st_mtime_ns <= made for path in needed)


class BuildNative(build_ext):
    """setuptools' build_ext with the steps csrc -> liblfcore.a, pyx -> c -> o -> so, each skipped when fresh."""

    def run(self) -> None:
        require_linux()
        os.chdir(ROOT)
        self.wanted_in_place = bool(self.inplace)  # setuptools clears it while it builds
        Path("build").mkdir(exist_ok=True)
        with open("build/.lock", "w") as lock:  # two builds of one tree take turns
            fcntl.flock(lock, fcntl.LOCK_EX)
            super().run()

    def build_extensions(self) -> None:
        missing = [f"native/csrc/{name}" for name in CORE_SOURCES] + [
            f"native/{name}.pyx" for name in MODULES
        ]
        missing = [name for name in missing if not Path(name).is_file()]
        if missing:
            raise SystemExit("logflume: listed in setup.py but not there: " + ", ".join(missing))
        self.include_flags, self.link_libraries = library_flags()
        python = [f"-I{sysconfig.get_path('include')}"]
        directives = [f"-X{name}={value}" for name, value in sorted(DIRECTIVES.items())]
        self.cc = [*self.compiler.compiler_so, *compile_flags(), *self.include_flags]
        self.cc_python = [*self.cc, *python, *CYTHON_WARNINGS]
        self.cython = [sys.executable, "-m", "cython", "-3", "-Isrc", *directives]
        # One folder per interpreter and set of flags: switching LOGFLUME_DEBUG back and forth rebuilds nothing.
        kind = (
            "-".join(filter(None, ["debug" if DEBUG else "", SANITIZE.replace(",", "-")]))
            or "release"
        )
        flags = repr((self.cc_python, self.cython)).encode()
        self.objects = (
            Path("build")
            / f"native-{kind}-{sys.implementation.cache_tag}{sys.abiflags}"
            / (hashlib.sha256(flags).hexdigest()[:8])
        )
        self.steps = Steps(force=bool(self.force))
        failures: list[str] = []
        with ThreadPoolExecutor(max(1, JOBS)) as pool:
            core = self._archive(pool)
            jobs = {ext.name: pool.submit(self._module, ext, core) for ext in self.extensions}
            for name, job in jobs.items():
                try:
                    job.result()
                except BuildFailed as error:
                    failures.append(f"{name}: {error}")
        # One module that does not compile leaves the others usable in place, but the build has failed.
        if failures and self.wanted_in_place:
            self.copy_extensions_to_source()
        if failures:
            raise SystemExit("logflume: the native build failed:\n  " + "\n  ".join(failures))

    def _archive(self, pool: ThreadPoolExecutor) -> list[Path]:
        if not CORE_SOURCES:
            return []
        objects = [self.objects / "csrc" / f"{Path(name).stem}.o" for name in CORE_SOURCES]
        jobs = [
            pool.submit(self._compile, Path("native/csrc") / name, out, [*self.cc, *CORE_WARNINGS])
            for name, out in zip(CORE_SOURCES, objects)
        ]
        failures = [str(job.exception()) for job in jobs if job.exception()]
        if failures:
            raise SystemExit("logflume: the core does not compile:\n  " + "\n  ".join(failures))
        archive = self.objects / "liblfcore.a"
        self.steps.run(archive, objects, ["ar", "rcs", str(archive), *map(str, objects)])
        return [archive]

    def _compile(self, source: Path, output: Path, compiler: list[str]) -> None:
        depfile = output.with_suffix(".d")
        command = [*compiler, "-MMD", "-MF", str(depfile), "-c", str(source), "-o", str(output)]
        self.steps.run(output, [source], command, depfile)

    def _module(self, ext: Extension, core: list[Path]) -> None:
        source = Path(ext.sources[0])
        c_file = self.objects / f"{source.stem}.c"
        command = [*self.cython, "--module-name", ext.name, str(source), "-o", str(c_file)]
        self.steps.run(c_file, cython_inputs(source), command)
        output = c_file.with_suffix(".o")
        self._compile(c_file, output, self.cc_python)
        built = self.objects / Path(self.get_ext_filename(ext.name)).name
        parts = [output, *core]
        link = [
            *self.compiler.linker_so,
            "-o",
            str(built),
            *map(str, parts),
            *link_flags(),
            *self.link_libraries,
        ]
        if self.steps.run(built, parts, link):
            self._check_symbols(built)
        replace_when_changed(built, Path(self.get_ext_fullpath(ext.name)))

    @staticmethod
    def _check_symbols(built: Path) -> None:
        """A core function that no listed source defines would show only at import, as a missing symbol."""
        names = subprocess.run(
            ["nm", "-D", "--undefined-only", str(built)], capture_output=True, text=True, check=True
        )
        unknown = [word for word in names.stdout.split() if word.startswith("lf_")]
        if unknown:
            built.unlink()
            raise BuildFailed(f"not defined by any file in CORE_SOURCES: {', '.join(unknown)}")

    def copy_extensions_to_source(self) -> None:
        build_py = self.get_finalized_command("build_py")
        for ext in self.extensions:
            in_place, built = self._get_inplace_equivalent(build_py, ext)
            if Path(built).exists():
                replace_when_changed(Path(built), Path(in_place))


CIMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+cimport|cimport\s+([\w.]+))", re.MULTILINE)


def cython_inputs(source: Path) -> list[Path]:
    """A .pyx and the .pxd files it depends on: its own (Cython's depfile leaves that out) and what these cimport."""
    found: list[Path] = []
    waiting = [source, Path("src/logflume/_native") / f"{source.stem}.pxd"]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found.append(path)
        named = ("".join(groups).split(".") for groups in CIMPORT.findall(path.read_text()))
        waiting += [Path("src", *parts).with_suffix(".pxd") for parts in named]
    return found


def replace_when_changed(source: Path, target: Path) -> None:
    """Moves a new file in by name: a process that has the old module mapped keeps the old one and lives."""
    if target.exists() and target.read_bytes() == source.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copy2(source, fresh)
    os.replace(fresh, target)


if __name__ == "__main__":
    setup(
        ext_modules=[
            Extension(f"logflume._native.{name}", [f"native/{name}.pyx"]) for name in MODULES
        ],
        cmdclass={"build_ext": BuildNative},
    )
