"""The table of commands. A command's module is imported when it is run, or shown in a help page."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import App, Group, Parameter
from cyclopts.exceptions import CycloptsError

from logflume._version import __version__
from logflume.cli.context import DEFAULT_DIRECTORY, Context
from logflume.cli.failures import Usage

__all__ = ["app", "run"]

_EPILOGUE = "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. More: docs/guide/cli.md"

_RECORDS = Group("Records", sort_key=1)
_TOPICS = Group("Topics", sort_key=2)
_GROUPS = Group("Consumer groups", sort_key=3)
_TRANSACTIONS = Group("Transactions", sort_key=4)
_FILES = Group("Files", sort_key=5)
_COPIES = Group("Copies", sort_key=6)
_BROKER = Group("Kafka clients", sort_key=7)
_FLOWS = Group("Flows", sort_key=8)
_SHELL = Group("Shell", sort_key=9)
_GLOBAL = Group("For every command", sort_key=10)

app = App(
    name="logflume",
    help="A commit log in a directory, in Kafka's format: put records in, read them, look after them.",
    help_format="plaintext",
    help_epilogue=_EPILOGUE,
    version=f"logflume {__version__}",
    # --json, but no --no-json.
    default_parameter=Parameter(negative=()),
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # entry.py says what Ctrl-C means
)
app.meta.suppress_keyboard_interrupt = False
app.meta.group_parameters = _GLOBAL

_topic = App(name="topic", help="Create, describe, alter and delete topics.", group=_TOPICS)
_table = App(name="table", help="Look up the last value of each key.", group=_RECORDS)
_txn = App(name="txn", help="List, describe and abort transactions.", group=_TRANSACTIONS)
_agent = App(name="agent", help="Run, check and draw a Flume agent.", group=_FLOWS)
_user = App(name="user", help="Set, list and delete users of the broker.", group=_BROKER)
_group = App(name="group", help="List, describe, move and delete consumer groups.", group=_GROUPS)

# Name, where it is, and the section of the help page.
for _name, _where, _section in (
    ("put", "put:put", _RECORDS),
    ("cat", "read:cat", _RECORDS),
    ("tail", "read:tail", _RECORDS),
    ("init", "topics:init", _TOPICS),
    ("ls", "topics:ls", _TOPICS),
    ("lag", "groups:lag", _GROUPS),
    ("serve", "serve:serve", _BROKER),
    ("dump", "dump:dump", _FILES),
    ("verify", "verify:verify", _FILES),
    ("du", "usage:du", _FILES),
    ("maintain", "upkeep:maintain", _FILES),
    ("compact", "compact:compact", _FILES),
    ("recover", "upkeep:recover", _FILES),
    ("doctor", "doctor:doctor", _FILES),
    ("completion", "completion:completion", _SHELL),
    ("open", "topics:open_directory", _TOPICS),
    ("mirror", "bridges:mirror", _COPIES),
    ("promote", "bridges:promote", _COPIES),
):
    app.command(f"logflume.cli.{_where}", name=_name, group=_section)
for _name in ("create", "describe", "alter", "delete"):
    _topic.command(f"logflume.cli.topics:{_name}", name=_name)
for _name in ("ls", "describe", "seek", "delete"):
    _group.command(f"logflume.cli.groups:{_name}", name=_name)
for _name in ("get", "scan"):
    _table.command(f"logflume.cli.tables:{_name}", name=_name)
for _name in ("ls", "describe", "abort"):
    _txn.command(f"logflume.cli.transactions:{_name}", name=_name)
app.command(_topic)
app.command(_table)
for _name in ("run", "validate", "graph"):
    _agent.command(f"logflume.cli.agent:{_name}", name=_name)
for _name in ("top", "tap"):
    _agent.command(f"logflume.cli.agent_live:{_name}", name=_name)
for _name, _where in (("set", "set_password"), ("ls", "ls"), ("delete", "delete")):
    _user.command(f"logflume.cli.users:{_where}", name=_name)
app.command(_user)
app.command(_group)
app.command(_txn)
app.command(_agent)


@app.meta.default
def _launch(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    directory: Annotated[
        str | None,
        Parameter(
            name="--dir",
            env_var="LOGFLUME_DIR",
            group=_GLOBAL,
            help=f"The log directory. (default: {DEFAULT_DIRECTORY})",
        ),
    ] = None,
    json: Annotated[
        bool,
        Parameter(
            show_default=False,
            group=_GLOBAL,
            help="Answer in JSON: one document, or a line for each record of a stream.",
        ),
    ] = False,
    read_only: Annotated[
        bool,
        Parameter(
            show_default=False,
            group=_GLOBAL,
            help="Write nothing into the directory, as for one that a stopped Kafka left.",
        ),
    ] = False,
) -> int:
    """Bind the words to a command and give it what all commands share."""
    command, bound, wanted = app.parse_args(words, exit_on_error=False, print_error=False)
    if directory == "" and os.environ.get("LOGFLUME_DIR") != "":
        raise Usage("--dir: names no directory")  # a script's variable that is not set
    context = Context(directory, json=json, read_only=read_only)
    shared = {"context": context} if "context" in wanted else {}
    code = command(*bound.args, **bound.kwargs, **shared)
    return code if isinstance(code, int) else 0


def run(words: list[str]) -> int:
    """Run one command line; returns its exit code. Raises Usage, Failed, LogflumeError, OSError."""
    if not words or "--help" in words or "-h" in words:
        # A help page shows the first line of each command's text, for which it must be there.
        for node in (app, _topic, _table, _group, _txn, _agent, _user):
            for name in list(node):
                node[name]
    try:
        code = app.meta(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        page = " ".join(["logflume", *(error.command_chain or ()), "--help"])
        raise Usage(f"{_one_line(error)} (see: {page})") from None
    return code if isinstance(code, int) else 0


def _one_line(error: CycloptsError) -> str:
    text = " ".join(str(error).split())
    if not text.endswith("..."):  # a list that goes on keeps its dots
        text = text.removesuffix(".")
    return text[:1].lower() + text[1:]
