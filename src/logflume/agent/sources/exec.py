"""What a command prints."""

from __future__ import annotations

from logflume.agent.options import setting
from logflume.agent.registry import source
from logflume.agent.sources.command import CommandConfig, CommandSource
from logflume.config.kinds import Bool, Duration

__all__ = [
    "ExecConfig",
    "ExecSource",
]


class ExecConfig(CommandConfig, table="exec source"):
    """Flume guide, "Exec Source"."""

    restart: bool = setting("restart", False, Bool(), doc="Run it again when it ended.")
    restart_throttle: int = setting(
        "restartThrottle", 10_000, Duration(), doc="Time before it is run again."
    )


@source("exec", "org.apache.flume.source.ExecSource")
class ExecSource(CommandSource):
    """Lines of standard output. What the command printed while nobody could take it waits in its pipe."""

    Config = ExecConfig

    def words(self, text: str) -> list[str]:
        """Cut at blanks alone, as Flume does: quotes and backslashes are characters like others."""
        return text.split()

    def run(self) -> None:
        while not self.draining.is_set():
            code = self.once()
            self.log.info("command_ended", source=self.name, exit_code=code)
            if not self.config.restart:
                return
            self.draining.wait(self.config.restart_throttle / 1000)
