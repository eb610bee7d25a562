"""Commands whose output is events: what the exec and the scheduled source share."""

from __future__ import annotations

import os
import selectors
import shlex
import subprocess
import time

from logflume.agent.components import Source
from logflume.agent.events import EventBatch
from logflume.agent.options import AnyText, ComponentConfig, needed, setting
from logflume.config.kinds import Bool, Duration, Int, Text
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

__all__ = ["CommandConfig", "CommandSource"]

_READ = 1 << 20
_GRACE_S = 2.0
_WHOLE_MAX = 64 << 20  # bytes of output as one event


class CommandConfig(ComponentConfig, table="command source"):
    """What is run, and how its lines become transactions."""

    command: str = needed("command", AnyText(), doc="The command.")
    shell: str | None = setting(
        "shell",
        None,
        Text(),
        doc="A shell to run it by, like `/bin/sh -c`; without, it is run itself.",
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


class CommandSource(Source):
    """Runs a command and hands on what it prints."""

    def setup(self) -> None:
        shell, command = self.config.shell, self.config.command
        if not command.strip():
            raise InvalidConfig(name="command", value=command, reason="must not be empty")
        try:
            self._words = [*self.words(shell), command] if shell else self.words(command)
        except ValueError as error:
            raise InvalidConfig(
                name="command", value=command, reason=f"cannot be run: {error}"
            ) from None

    def words(self, text: str) -> list[str]:
        """A program and its arguments, as a shell would see them."""
        return shlex.split(text)

    def once(
        self,
        headers: Mapping[str, str] | None = None,
        *,
        whole: bool = False,
        timeout: float | None = None,
    ) -> int:
        """Run it to its end, or for `timeout` seconds, and deliver its lines (`whole`: its output as one event).

        All events get these headers. Returns the exit code, negative for a signal.
        """
        until = None if timeout is None else time.monotonic() + timeout
        with subprocess.Popen(
            self._words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                self._read(process.stdout, process.stderr, _Gathered(self, headers, whole), until)
            finally:
                _end(process)
        return process.returncode

    def _read(
        self, out: IO[bytes], err: IO[bytes], gathered: _Gathered, until: float | None
    ) -> None:
        with selectors.DefaultSelector() as waiting:
            waiting.register(out, selectors.EVENT_READ)
            waiting.register(err, selectors.EVENT_READ)
            while waiting.get_map() and not self.draining.is_set():
                if until is not None and time.monotonic() >= until:
                    self.log.warning("command_takes_too_long", source=self.name)
                    break
                for key, _ in waiting.select(0.1):
                    data = os.read(key.fd, _READ)
                    if not data:
                        waiting.unregister(key.fileobj)
                    elif key.fileobj is err:
                        self._said(data)
                    else:
                        gathered.add(data)
                gathered.hand_on()
        gathered.finish()

    def _said(self, data: bytes) -> None:
        if self.config.log_std_err:
            for line in data.decode("utf-8", "replace").splitlines():
                self.log.warning("command_says", source=self.name, line=line)


class _Gathered:
    """Output of one run on its way to the channels."""

    def __init__(
        self, source: CommandSource, headers: Mapping[str, str] | None, whole: bool
    ) -> None:
        self._source = source
        self._headers = headers
        self._whole = whole
        self._lines: list[bytes] = []
        self._rest = b""
        self._since = time.monotonic()

    def add(self, data: bytes) -> None:
        if self._whole:
            self._rest += data
            if len(self._rest) > _WHOLE_MAX:
                self.finish()
            return
        *new, self._rest = (self._rest + data).split(b"\n")
        self._since = self._since if self._lines else time.monotonic()
        self._lines += new

    def hand_on(self) -> None:
        """Full batches, and what has waited long enough."""
        old = time.monotonic() - self._since >= self._source.config.batch_timeout / 1000
        self._deliver(all=old)

    def finish(self) -> None:
        """All that is left."""
        if self._rest:
            self._lines.append(self._rest)
            self._rest = b""
        self._deliver(all=True)

    def _deliver(self, *, all: bool) -> None:
        size = self._source.config.batch_size
        while len(self._lines) >= size or (all and self._lines):
            bodies = self._lines[:size]
            if not self._whole:
                bodies = [line.removesuffix(b"\r") for line in bodies]
            self._source.deliver(EventBatch(bodies, self._headers), None)
            self._lines = self._lines[size:]


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
