"""What a file system can be asked: whether it is local and writable, to sync a directory, why it failed."""

from __future__ import annotations

import errno
import os

from logflume.errors import (
    DiskFull,
    NetworkFilesystem,
    ReadOnlyDirectory,
    StorageError,
    SyncFailed,
)
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = [
    "filesystem_kind",
    "has_content",
    "is_network_kind",
    "is_writable",
    "raise_typed",
    "refuse_network",
    "require_writable",
    "sync_directory",
]

MOUNTS_FILE = "/proc/self/mountinfo"

# fmt: off
# Several machines, or a machine and its host, behind one name: futexes do not reach across,
# locks and shared maps do only sometimes.
_NETWORK_KINDS = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs",
    "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "vmhgfs",
})
# FUSE names its programs; local ones (ntfs-3g, bindfs, mergerfs) are not in this list.
_NETWORK_FUSE = (
    "azure", "ceph", "curlftpfs", "davfs", "gcsfuse", "glusterfs", "goofys", "grpcfuse", "hdfs",
    "juicefs", "lizardfs", "mfs", "moosefs", "mount-s3", "mountpoint-s3", "osxfs", "rclone", "s3fs",
    "s3ql", "seaweedfs", "smbnetfs", "sshfs", "vmhgfs",
)
# fmt: on

_logger = get_logger(__name__)


def raise_typed(error: OSError, path: str, *, syncing: bool = False) -> NoReturn:
    """Raise the StorageError that says what an OSError means for `path`; others go on as they are.

    `syncing` tells that it came from a sync, after which the data is in doubt.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DiskFull(path=path) from error
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        raise ReadOnlyDirectory(path=path) from error
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP):
        raise StorageError(path=path, reason=error.strerror) from error
    if syncing:
        raise SyncFailed(path=path, reason=error.strerror) from error
    raise error


def sync_directory(path: str) -> None:
    """Have a directory's entries on disk: without it a new or renamed file may be gone after power loss.

    Raises SyncFailed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise_typed(error, path, syncing=True)
    finally:
        os.close(descriptor)


def is_writable(path: str) -> bool:
    """Whether this process may make files in a directory (permissions, read-only mounts)."""
    return os.access(path, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def require_writable(path: str) -> None:
    """Raise ReadOnlyDirectory unless this process may make files in the directory, which must exist."""
    os.stat(path)
    if not is_writable(path):
        raise ReadOnlyDirectory(path=path)


def filesystem_kind(path: str, *, mounts: str = MOUNTS_FILE) -> str | None:
    """The kernel's name for the file system under a path ("ext4", "nfs4", "fuse.sshfs").

    None when it cannot be told, because /proc is not mounted. `path` must exist.
    """
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None
    where = os.path.realpath(path)
    longest, kind = 0, None
    for line in lines:
        # man proc_pid_mountinfo: "36 35 98:0 /root /mount/point options [optional] - type source super"
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 6:
            continue
        point = _unescape(fields[4])
        covers = where == point or where.startswith(point.rstrip("/") + "/")
        if covers and len(point) >= longest:  # of two mounts on one point the later is on top
            longest, kind = len(point), after.split(" ")[0]
    return kind


def _unescape(field: str) -> str:
    """Undo the kernel's octal escapes of space, tab, newline and backslash."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field


def is_network_kind(kind: str) -> bool:
    """Whether a file system of this kind is shared with other machines (or with a host)."""
    if kind.startswith("fuse."):
        program = kind.removeprefix("fuse.").lower()
        return program.startswith(_NETWORK_FUSE)
    return kind.lower() in _NETWORK_KINDS


def refuse_network(path: str, *, mounts: str = MOUNTS_FILE) -> None:
    """Raise NetworkFilesystem when the path is on one; where it cannot be told, a warning is logged."""
    kind = filesystem_kind(path, mounts=mounts)
    if kind is None:
        _logger.warning("file system not known to be local", path=path, mounts=mounts)
    elif is_network_kind(kind):
        raise NetworkFilesystem(path=path, kind=kind)


def has_content(path: str) -> bool:
    """Whether there is such a file with something in it; a power loss leaves some empty. Raises StorageError."""
    try:
        return os.stat(path).st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        raise_typed(error, path)
