"""Builds the native core: native/csrc/*.c into one library, native/*.pyx into logflume._native beside it.

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
sys.path.insert(0, str(ROOT / "tools"))

from build_steps import (  # noqa: E402 - a build front end does not put this folder on the path
    BuildFailed,
    Steps,
    check_symbols,
    cython_inputs,
    replace_when_changed,
)

CORE_SOURCES: list[str] = [  # native/csrc/
    "admit.c",
    "arrow_block.c",
    "arrow_bytes.c",
    "arrow_export.c",
    "arrow_headers.c",
    "arrow_import.c",
    "arrow_schema.c",
    "builder.c",
    "codec_gzip.c",
    "codec_lz4.c",
    "codec_snappy.c",
    "codec_zstd.c",
    "codecs.c",
    "compact.c",
    "compact_map.c",
    "compact_records.c",
    "compact_rewrite.c",
    "compact_scan.c",
    "compact_settle.c",
    "compact_swap.c",
    "compact_write.c",
    "failpoint.c",
    "fetch.c",
    "files.c",
    "fill.c",
    "index.c",
    "key_map.c",
    "lines.c",
    "log_append.c",
    "log_info.c",
    "log_open.c",
    "log_produce.c",
    "log_read.c",
    "log_recover.c",
    "log_retain.c",
    "log_roll.c",
    "log_sync.c",
    "lookup.c",
    "lost_pages.c",
    "marker.c",
    "outcome.c",
    "producer_snapshot.c",
    "producers.c",
    "producers_log.c",
    "rdkafka_load.c",
    "rdkafka_rows.c",
    "rdkafka_settle.c",
    "records.c",
    "segment.c",
    "stamp.c",
    "state.c",
    "txn_complete.c",
    "txn_index.c",
    "txn_page.c",
    "txn_recover.c",
]
MODULES: list[str] = [  # native/<name>.pyx -> logflume._native.<name>
    "append_input",
    "accumulator",
    "arrow_stream",
    "avro_events",
    "batch_heads",
    "batch_reader",
    "batches",
    "codecs",
    "columns",
    "compaction",
    "consumer_core",
    "delivery",
    "delivery_waits",
    "exported",
    "failures",
    "fetch",
    "frames",
    "gather",
    "guard",
    "hashing",
    "input_columns",
    "lines",
    "news",
    "partition",
    "partition_log",
    "partition_reader",
    "produce",
    "partition_transactions",
    "producer_core",
    "queue_messages",
    "queue_record",
    "rdkafka",
    "rdkafka_consumer",
    "rdkafka_delivery",
    "rdkafka_many",
    "rdkafka_producer",
    "record_stream",
    "scan",
    "row_picker",
    "scatter",
    "shape",
    "staging",
    "transactions",
    "waiting",
    "watch",
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

# In logflume/_native. The number is no version: with it, Python doesn't take the file for a module.
CORE_LIBRARY = "liblfcore.so.1"

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
        # C that throws nothing needs no tables to unwind it: 7 % of a module.
        flags += ["-fno-asynchronous-unwind-tables"]
    if SANITIZE:
        flags += [
            f"-fsanitize={SANITIZE}",
            "-fno-sanitize-recover=undefined",
            "-fno-omit-frame-pointer",
        ]
    return flags


# Modules that no record passes through one by one (what does is C, and fast) are built for size: a wheel has 3 MB.
SMALL = frozenset(
    {
        "append_input",
        "arrow_stream",
        "batch_heads",
        "batch_reader",
        "batches",
        "codecs",
        "compaction",
        "delivery_waits",
        "exported",
        "failures",
        "fetch",
        "frames",
        "input_columns",
        "lines",
        "news",
        "partition_transactions",
        "produce",
        "rdkafka",
        "rdkafka_consumer",
        "rdkafka_delivery",
        "rdkafka_many",
        "rdkafka_producer",
        "row_picker",
        "scan",
        "shape",
        "transactions",
        "waiting",
        "watch",
    }
)

# What Cython's output cannot help; our own C is held to -Wall -Wextra.
CYTHON_WARNINGS = [
    "-Wall",
    "-Wno-unused-function",
    "-Wno-unused-variable",
    "-Wno-maybe-uninitialized",
]
CORE_WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wvla", *(["-Werror"] if WERROR else [])]

# The core calls itself directly; modules call it through their table of addresses, without a detour (decision 001).
CORE_FLAGS = ["-fno-semantic-interposition"]
MODULE_FLAGS = ["-fvisibility=hidden", "-fno-plt"]


def link_flags() -> list[str]:
    """Flags of the core and of every module: only the libraries it calls; the core is found beside the module."""
    flags = ["-pthread", "-Wl,--as-needed", "-Wl,-rpath,$ORIGIN"]
    return [*flags, f"-fsanitize={SANITIZE}"] if SANITIZE else [*flags, "-Wl,--gc-sections"]


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


class BuildNative(build_ext):
    """setuptools' build_ext with the steps csrc -> liblfcore.so.1, pyx -> c -> o -> so, each skipped when fresh."""

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
        flags = repr((self.cc_python, self.cython, sorted(SMALL))).encode()
        self.objects = (
            Path("build")
            / f"native-{kind}-{sys.implementation.cache_tag}{sys.abiflags}"
            / (hashlib.sha256(flags).hexdigest()[:8])
        )
        self.steps = Steps(force=bool(self.force))
        failures: list[str] = []
        with ThreadPoolExecutor(max(1, JOBS)) as pool:
            self.core = core = self._core(pool)
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

    def _core(self, pool: ThreadPoolExecutor) -> Path:
        """The core, built and put where the modules go; its symbols are all defined, or the linker stops."""
        compiler = [*self.cc, *CORE_WARNINGS, *CORE_FLAGS]
        objects = [self.objects / "csrc" / f"{Path(name).stem}.o" for name in CORE_SOURCES]
        jobs = [
            pool.submit(self._compile, Path("native/csrc") / name, out, compiler)
            for name, out in zip(CORE_SOURCES, objects)
        ]
        failures = [str(job.exception()) for job in jobs if job.exception()]
        if failures:
            raise SystemExit("logflume: the core does not compile:\n  " + "\n  ".join(failures))
        built = self.objects / CORE_LIBRARY
        link = [
            *self.compiler.linker_so,
            "-o",
            str(built),
            f"-Wl,-soname,{CORE_LIBRARY}",
            "-Wl,-Bsymbolic",
        ]
        # A sanitizer's functions are in a library that the program brings.
        link += [] if SANITIZE else ["-Wl,-z,defs"]
        self.steps.run(
            built, objects, [*link, *map(str, objects), *link_flags(), *self.link_libraries]
        )
        replace_when_changed(built, self._beside_modules())
        return built

    def _beside_modules(self) -> Path:
        return Path(self.get_ext_fullpath(self.extensions[0].name)).with_name(CORE_LIBRARY)

    def get_outputs(self) -> list[str]:
        return [*super().get_outputs(), str(self._beside_modules())]

    def _compile(self, source: Path, output: Path, compiler: list[str]) -> None:
        depfile = output.with_suffix(".d")
        command = [*compiler, "-MMD", "-MF", str(depfile), "-c", str(source), "-o", str(output)]
        self.steps.run(output, [source], command, depfile)

    def _module(self, ext: Extension, core: Path) -> None:
        source = Path(ext.sources[0])
        c_file = self.objects / f"{source.stem}.c"
        command = [*self.cython, "--module-name", ext.name, str(source), "-o", str(c_file)]
        self.steps.run(c_file, cython_inputs(source), command)
        output = c_file.with_suffix(".o")
        for_size = ["-Os"] if source.stem in SMALL and not (DEBUG or SANITIZE) else []
        self._compile(c_file, output, [*self.cc_python, *MODULE_FLAGS, *for_size])
        built = self.objects / Path(self.get_ext_filename(ext.name)).name
        parts = [output, core]
        link = [
            *self.compiler.linker_so,
            "-o",
            str(built),
            *map(str, parts),
            *link_flags(),
            *self.link_libraries,
        ]
        if self.steps.run(built, parts, link):
            check_symbols(built, core)
        replace_when_changed(built, Path(self.get_ext_fullpath(ext.name)))

    def copy_extensions_to_source(self) -> None:
        build_py = self.get_finalized_command("build_py")
        for ext in self.extensions:
            in_place, built = self._get_inplace_equivalent(build_py, ext)
            if Path(built).exists():
                replace_when_changed(Path(built), Path(in_place))
                replace_when_changed(self.core, Path(in_place).with_name(CORE_LIBRARY))


if __name__ == "__main__":
    setup(
        ext_modules=[
            Extension(f"logflume._native.{name}", [f"native/{name}.pyx"]) for name in MODULES
        ],
        cmdclass={"build_ext": BuildNative},
    )
