"""The command `logflume`: one file for each group of commands, wiring only.

What lives here: arguments, tables, JSON, exit codes, and the small tools behind `put`, `cat`, `dump` and
`verify`. Enters: words of a command line. Leaves: text, JSON documents, an exit code.
It does not know: how records are stored (it asks the client, or reads segments batch by batch).
"""

from logflume.cli.entry import main

__all__ = ["main"]
