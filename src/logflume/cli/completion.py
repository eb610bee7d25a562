"""`completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from logflume.cli.context import Shared

__all__ = ["completion"]


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], Parameter(show_choices=False, help="bash, zsh or fish.")
    ],
    *,
    context: Shared,
) -> None:
    """Print a shell's completions: in ~/.bashrc, say, `source <(logflume completion bash)`."""
    from logflume.cli.app import app

    script = app.generate_completion(prog_name="logflume", shell=shell)
    context.output.answer({"shell": shell, "script": script}, script)
