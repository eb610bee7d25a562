"""Write docs/agent-components.md from the agent's components; with --check, only say whether it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "agent-components.md"

HEAD = """\
# The agent's components and properties

<!-- Written by tools/gen_agent_docs.py from src/logflume/agent; change the components, then run it. -->

Names are Flume's; types may be written as its short names, in any case, or as its Java classes, with or without
`$Builder`. What a property does not do here stands behind **No effect**; *logflume's own* are not in Flume. A property
that is not in this list is a warning of `logflume agent validate`, a value that cannot be is an error.

Every source also takes `channels`, `selector.*`, `interceptors` and `interceptors.*`; every sink takes `channel`.
Flume's `backoffSleepIncrement` and `maxBackoffSleep` have no effect: a waiting source looks again within 20 ms.
"""


def render() -> str:
    """The whole page."""
    from logflume.agent import registry
    from logflume.agent.sources.spool_avro import AvroConfig
    from logflume.agent.sources.spool_reader import BlobConfig, LineConfig

    parts = [HEAD]
    for kind in registry.KINDS:
        parts.append(f"\n## {kind.capitalize()}s\n")
        by_class: dict[type, list[str]] = {}
        for name, cls in registry.names(kind).items():
            by_class.setdefault(cls, []).append(name)
        for cls, names in sorted(by_class.items(), key=lambda pair: pair[1][0]):
            parts.append(_component(cls, names))
        if kind == "source":
            parts += [
                _table("Deserializer `LINE`", LineConfig),
                _table("Deserializer `AVRO`", AvroConfig),
                _table("Deserializer `BLOB`", BlobConfig),
            ]
        refused = registry.NOT_SERVED.get(kind)
        if refused:
            parts.append("\n### Not served\n\n")
            parts += [f"- `{name}`: {reason}.\n" for name, reason in sorted(refused.items())]
    return "".join(parts)


def _component(cls: type, names: list[str]) -> str:
    text = " ".join((cls.__doc__ or "").split())
    shown = ", ".join(f"`{name}`" for name in names)
    return f"\n### {shown}\n\n{text}\n" + _rows(cls.Config)  # type: ignore[attr-defined]


def _table(title: str, table: type) -> str:
    return f"\n### {title}\n" + _rows(table)


def _rows(table: type) -> str:
    from logflume.config import describe

    rows = []
    options = table.options  # type: ignore[attr-defined]
    for row in describe(table):  # type: ignore[arg-type]
        origin = "" if row.origin == "Flume" else f" *{row.origin}'s own.*"
        effect = f" **{row.effect[:-1]}.**" if row.effect else ""
        needed = getattr(options[row.name], "required", False)
        default = "**must be given**" if needed else row.default
        also = f" (also `{'`, `'.join(row.also)}`)" if row.also else ""
        rows.append((f"`{row.name}`{also}", row.kind, default, row.doc + origin + effect))
    for family in table.families:  # type: ignore[attr-defined]
        default = "**must be given**" if family.required else ""
        rows.append((f"`{family.prefix}*`", "texts", default, family.doc))
    if not rows:
        return "\nNo properties.\n"
    lines = [
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |\n" for row in sorted(rows)
    ]
    return "\n| Property | Kind | Default | Meaning |\n|---|---|---|---|\n" + "".join(lines)


def main(arguments: list[str]) -> int:
    """Write or check the page; 0 when it is up to date."""
    page = render()
    if arguments == ["--check"]:
        if PAGE.is_file() and PAGE.read_text("utf-8") == page:
            return 0
        print(f"{PAGE} is out of date: run tools/gen_agent_docs.py", file=sys.stderr)
        return 1
    PAGE.write_text(page, "utf-8")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    sys.exit(main(sys.argv[1:]))
