"""What ends a command early: wrong usage, or a finding that is the command's answer."""

__all__ = ["Failed", "Usage"]


class Usage(Exception):
    """The command line makes no sense: exit code 2."""


class Failed(Exception):
    """The command did not do what was asked: exit code 1."""
