"""What a command prints."""

from __future__ import annotations

import os
import selectors
import shlex
import subprocess
import time

from logflume.agent.components import Source
from logflume.agent.events import EventBatch
from logflume.agent.options import ComponentConfig, needed, setting
from logflume.agent.registry import source
from logflume.config.kinds import Bool, Duration, Int, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

__all__ = [
    "ExecConfig",
    "ExecSource",
]

_READ = 1 << 20
_GRACE_S = 2.0


class ExecConfig(ComponentConfig, table="exec source"):
    """Flume guide, "Exec Source"."""

    command: str = needed("command", Text(), doc="The command.")
    shell: str | None = setting(
        "shell",
        None,
        Text(),
        doc="A shell to run it by, like `/bin/sh -c`; without, it is run itself.",
    )
    restart: bool = setting("restart", False, Bool(), doc="Run it again when it ended.")
    restart_throttle: int = setting(
        "restartThrottle", 10_000, Duration(), doc="Time before it is run again."
    )
    log_std_err: bool = setting(
        "logStdErr", False, Bool(), doc="Log what it says on standard error."
    )
    batch_size: int = setting("batchSize", 20, Int(min=1), doc="Events of a transaction.")
    batch_timeout: int = setting(
        "batchTimeout", 3000, Duration(), doc="Time after which fewer are handed on."
    )
    charset: str = setting(
        "charset",
        "UTF-8",
        Text(),
        doc="Encoding of the output.",
        no_effect="Bodies are the bytes as they came.",
    )


@source("exec", "org.apache.flume.source.ExecSource")
class ExecSource(Source):
    """Lines of standard output. What the command printed while nobody could take it waits in its pipe."""

    Config = ExecConfig

    def run(self) -> None:
        while not self.draining.is_set():
            code = self._once()
            self.log.info("command_ended", source=self.name, exit_code=code)
            if not self.config.restart:
                return
            self.draining.wait(self.config.restart_throttle / 1000)

    def _once(self) -> int:
        config = self.config
        words = (
            [*shlex.split(config.shell), config.command]
            if config.shell
            else shlex.split(config.command)
        )
        with subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                self._read(process.stdout, process.stderr)
            finally:
                _end(process)
            return process.returncode

    def _read(self, out: IO[bytes], err: IO[bytes]) -> None:
        lines: list[bytes] = []
        rest, since = b"", time.monotonic()
        with selectors.DefaultSelector() as waiting:
            waiting.register(out, selectors.EVENT_READ)
            waiting.register(err, selectors.EVENT_READ)
            while waiting.get_map() and not self.draining.is_set():
                for key, _ in waiting.select(0.1):
                    data = os.read(key.fd, _READ)
                    if not data:
                        waiting.unregister(key.fileobj)
                    elif key.fileobj is err:
                        self._said(data)
                    else:
                        *new, rest = (rest + data).split(b"\n")
                        since = since if lines else time.monotonic()
                        lines += new
                old = time.monotonic() - since >= self.config.batch_timeout / 1000
                lines = self._hand_on(lines, all=old)
        self._hand_on(lines + ([rest] if rest else []), all=True)

    def _hand_on(self, lines: list[bytes], *, all: bool) -> list[bytes]:
        size = self.config.batch_size
        while len(lines) >= size or (all and lines):
            self.deliver(EventBatch([line.removesuffix(b"\r") for line in lines[:size]]), None)
            lines = lines[size:]
        return lines

    def _said(self, data: bytes) -> None:
        if self.config.log_std_err:
            for line in data.decode("utf-8", "replace").splitlines():
                self.log.warning("command_says", source=self.name, line=line)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The command and its children, politely first."""
    import signal

    for word, wait in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, None)):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, word)
            process.wait(wait)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
