"""Write docs/configuration.md from the option tables; with --check, only say whether it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "configuration.md"

HEAD = """\
# Configuration

<!-- Written by tools/gen_config_docs.py from src/logflume/config; change the tables, then run it. -->

Options have Kafka's names. In Python a keyword argument writes an underscore for each dot
(`linger_ms=5`), a mapping may use either form (`{"retention.ms": 86_400_000}`). Values are
Python objects or Kafka's strings; sizes also take units (`"64KiB"`, `"1GB"`), times too
(`"5s"`, `"7d"`, or a `datetime.timedelta`). None means the default.

An unknown option is an `UnknownConfig` error that names the nearest; a value that cannot be is an
`InvalidConfig` error. Nothing is accepted in silence: an option that Kafka has and logflume takes
without acting on it says **No effect** and why, and one that only its default fits says so too.
"""

WHERE = {
    "topic": "`log.create_topic(..., config={...})`, `logflume topic create|alter --config k=v`."
    " Stored in the directory, for all who open it.",
    "producer": "`log.producer(...)`.",
    "consumer": "`log.consumer(...)`.",
    "queue": "`log.queue(...)`.",
    "directory": "`logflume.open(...)`.",
    "broker": "`logflume.serve(log, ...)`, `logflume serve --config k=v`,"
    " [the environment or a file](guide/broker.md#options).",
    "group": "`kafka-configs --entity-type groups` and other admin clients. Stored in the directory.",
    "serve": "`logflume serve --config k=v`, [the environment or a file](guide/broker.md#options).",
}


def render() -> str:
    """The whole page."""
    from logflume.config import TABLES, describe

    parts = [HEAD]
    for table in TABLES:
        parts.append(f"\n## {table.table.capitalize()}\n\n{WHERE[table.table]}\n")
        parts.append("\n| Option | Kind | Default | Allowed | Meaning |\n|---|---|---|---|---|\n")
        for row in describe(table):
            also = f" (also `{'`, `'.join(row.also)}`)" if row.also else ""
            origin = "" if row.origin == "Kafka" else f" *{row.origin}'s own.*"
            effect = f" **{row.effect[:-1]}.**" if row.effect else ""
            cells = (
                f"`{row.name}`{also}",
                row.kind,
                row.default,
                row.valid,
                row.doc + origin + effect,
            )
            parts.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n")
        if table.foreign:
            parts.append(f"\n{_foreign(table.foreign)}")
    return "".join(parts)


def _foreign(foreign: dict[str, str]) -> str:
    by_reason: dict[str, list[str]] = {}
    for name, reason in foreign.items():
        by_reason.setdefault(reason, []).append(f"`{name}`")
    lines = [f"- {', '.join(sorted(names))}: {reason}.\n" for reason, names in by_reason.items()]
    return "Kafka's options that are refused, with the reason:\n\n" + "".join(sorted(lines))


def main(arguments: list[str]) -> int:
    """Write or check the page; 0 when it is up to date."""
    page = render()
    if arguments == ["--check"]:
        if PAGE.is_file() and PAGE.read_text("utf-8") == page:
            return 0
        print(f"{PAGE} is out of date: run tools/gen_config_docs.py", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, "utf-8")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    sys.exit(main(sys.argv[1:]))
