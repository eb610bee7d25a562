"""What Hadoop's configuration files say, where they lie as they do for Hadoop's own tools."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from logflume.errors import InvalidConfig

__all__ = ["hadoop_settings", "with_file_system"]

_DEFAULT_FS = "fs.defaultFS"


def _configuration_directory() -> Path | None:
    """HADOOP_CONF_DIR, or etc/hadoop below HADOOP_HOME; None when neither is set."""
    if given := os.environ.get("HADOOP_CONF_DIR"):
        return Path(given)
    home = os.environ.get("HADOOP_HOME")
    return Path(home, "etc", "hadoop") if home else None


def hadoop_settings(name: str = "core-site.xml") -> dict[str, str]:
    """The properties of a file; none when it is not there. Raises InvalidConfig when it is no such file."""
    where = _configuration_directory()
    if where is None or not (where / name).is_file():
        return {}
    from xml.etree import ElementTree

    try:
        root = ElementTree.parse(where / name).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise InvalidConfig(
            name="HADOOP_CONF_DIR", value=str(where / name), reason=f"cannot be read: {error}"
        ) from error
    return {
        (item.findtext("name") or "").strip(): (item.findtext("value") or "").strip()
        for item in root.iter("property")
    }


def with_file_system(path: str) -> str:
    """A path with its scheme and host: those of `fs.defaultFS` when it has none. Raises InvalidConfig."""
    parts = urlsplit(path.partition("%")[0])
    if parts.scheme and (parts.netloc or parts.scheme == "file" or "%" in path):
        return path
    default = hadoop_settings().get(_DEFAULT_FS, "")
    if not default:
        raise InvalidConfig(
            name="hdfs.path",
            value=path,
            reason="names no file system (hdfs://host:port/…, file:///…, s3a://…), and no core-site.xml"
            f" in HADOOP_CONF_DIR has {_DEFAULT_FS}",
        )
    if parts.scheme:
        if parts.scheme != urlsplit(default).scheme:
            raise InvalidConfig(
                name="hdfs.path",
                value=path,
                reason=f"names no host, and {_DEFAULT_FS} is {default}",
            )
        path = path[len(parts.scheme) + 1 :]
    if not path.startswith("/"):
        raise InvalidConfig(name="hdfs.path", value=path, reason="must begin with / or a scheme")
    there = urlsplit(default)
    return f"{there.scheme}://{there.netloc}{there.path.rstrip('/')}/{path.lstrip('/')}"
