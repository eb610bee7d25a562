"""What can be asked of the machine: kernel calls, linked libraries, file systems, locks."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import re
import struct
import sys
import tempfile

from logflume._version import __version__
from logflume.cli.amounts import bytes_text, plural
from logflume.errors import LogflumeError
from logflume.log import layout
from logflume.log.filesystem import filesystem_kind, is_network_kind, is_writable
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Check", "directory_checks", "library_checks", "machine_checks"]

_SYS_FUTEX_WAITV = 449  # the same number on x86-64 and arm64
_FLOCK = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, len, pid
_FREE_BYTES_MIN = 64 << 20
_LIBRARY = re.compile(r"/(lib(?:lz4|zstd|snappy|z|isal|xxhash)[-.][^/ ]*)$")


class Check(NamedTuple):
    """One question and its answer."""

    name: str
    ok: bool
    found: str


def machine_checks() -> Iterator[Check]:
    """The interpreter and the kernel."""
    yield Check("logflume", True, f"{__version__} at {os.path.dirname(os.path.dirname(__file__))}")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    yield Check("Python", sys.version_info >= (3, 11), python)
    machine = platform.machine()
    yield Check("machine", machine in ("x86_64", "aarch64"), f"{platform.system()} {machine}")
    yield Check("kernel", True, platform.release())
    yield _futex_waitv()
    yield _ofd_locks()
    yield Check("processors", True, f"{len(os.sched_getaffinity(0))} for this process")


def _futex_waitv() -> Check:
    """Waiting for several partitions at once; without it a waiter naps between looks."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(_SYS_FUTEX_WAITV, None, 0, 0, None, 0)
    there = ctypes.get_errno() != errno.ENOSYS
    missing = "missing (Linux 5.16 has it): waiting for several partitions looks every now and then"
    return Check("futex_waitv", True, "there" if there else missing)


def _ofd_locks() -> Check:
    """Locks that belong to an open file, which tell who lives."""
    with tempfile.TemporaryFile() as file:
        try:
            request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
            fcntl.fcntl(file.fileno(), fcntl.F_OFD_SETLK, request)
        except (OSError, AttributeError) as error:
            return Check("file locks", False, f"no open-file-description locks: {error}")
    return Check("file locks", True, "open-file-description locks work")


def library_checks() -> Iterator[Check]:
    """The C libraries that the native modules are linked with."""
    from logflume._native import batches, codecs

    # A look-up through a module's own handle also finds what it is linked with, bundled or not.
    handle = ctypes.CDLL(codecs.__file__)
    versions = {
        "lz4": _text(handle, "LZ4_versionString"),
        "zstd": _text(handle, "ZSTD_versionString"),
        "z": _text(handle, "zlibVersion"),
    }
    files = _mapped_libraries()
    for name in ("lz4", "zstd", "snappy", "z", "isal"):
        file = next((f for f in files if re.match(rf"lib{name}[-.]", f)), "")
        version = versions.get(name) or ""
        found = " ".join(part for part in (version, f"({file})" if file else "") if part)
        yield Check(f"lib{name}", True, found or "linked statically")
    data = b"logflume " * 1000
    wrong = [
        name
        for number, name in enumerate(batches.CODEC_NAMES)
        if codecs.decompress(number, codecs.compress(number, data)) != data
    ]
    yield Check("codecs", not wrong, f"broken: {', '.join(wrong)}" if wrong else "all five work")


def _text(handle: ctypes.CDLL, function: str) -> str | None:
    try:
        call = getattr(handle, function)
    except AttributeError:
        return None
    call.restype = ctypes.c_char_p
    value: bytes = call()
    return value.decode()


def _mapped_libraries() -> list[str]:
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
            found = {match[1] for line in file if (match := _LIBRARY.search(line.rstrip()))}
    except OSError:
        return []
    return sorted(found)


def directory_checks(directory: str) -> Iterator[Check]:
    """The directory: is it there, can it be written, who else has it, what does it lie on."""
    there = os.path.isdir(directory)
    path = os.path.abspath(directory)
    nearest = path
    while not os.path.isdir(nearest):
        nearest = os.path.dirname(nearest)
    yield Check("directory", True, path if there else f"{path} (not made yet)")
    kind = filesystem_kind(nearest)
    local = kind is None or not is_network_kind(kind)
    yield Check("file system", local, f"{kind or 'unknown'}{'' if local else ', on a network'}")
    free = os.statvfs(nearest)
    free_bytes = free.f_bavail * free.f_frsize
    yield Check("free space", free_bytes >= _FREE_BYTES_MIN, bytes_text(free_bytes))
    writable = is_writable(nearest)
    yield Check("writable", writable, "yes, for this user" if writable else "not for this user")
    if there and os.path.exists(os.path.join(path, layout.LOCK_FILE)):
        yield _lock(path)
    if there:
        yield _opens(path)


def _lock(path: str) -> Check:
    """Asks who holds the lock file's first byte, without taking it."""
    with open(os.path.join(path, layout.LOCK_FILE), "rb") as file:
        request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
        answer = _FLOCK.unpack(fcntl.fcntl(file.fileno(), fcntl.F_OFD_GETLK, request))
    kind = answer[0]
    if kind == fcntl.F_RDLCK:
        return Check("in use", True, "by other processes of logflume")
    if kind == fcntl.F_WRLCK:
        return Check("in use", False, "by a program that wants it alone, such as a running Kafka")
    return Check("in use", True, "by nobody else")


def _opens(path: str) -> Check:
    from logflume.log.directory import LogDirectory

    try:
        directory = LogDirectory(path, read_only=True)
        try:
            names = directory.topics(internal=True)
        finally:
            directory.close()
    except LogflumeError as error:
        return Check("format", False, str(error))
    return Check("format", True, f"readable, {plural(len(names), 'topic')}")
