"""Write the pages of the agent's components and of what became of Flume's; with --check, say if they are up to date."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "agent-components.md"
MIGRATION = ROOT / "docs" / "migrating-from-flume.md"

HEAD = """\
# The agent's components and properties

<!-- Written by tools/gen_agent_docs.py from src/logflume/agent; change the components, then run it. -->

Names are Flume's; types may be written as its short names, in any case, or as its Java classes, with or without
`$Builder`. What a property does not do here stands behind **No effect**; *logflume's own* are not in Flume. A property
that is not in this list is a warning of `logflume agent validate`, a value that cannot be is an error.

Every source also takes `channels`, `selector.*`, `interceptors` and `interceptors.*`; every sink takes `channel`; both
take `deadLetter.directory` and `deadLetter.topic` (*logflume's own*).
Flume's `backoffSleepIncrement` and `maxBackoffSleep` have no effect: a waiting source looks again within 20 ms.
"""


MIGRATION_HEAD = """\
# Every component and property of Flume: what became of it

<!-- Written by tools/gen_agent_docs.py from src/logflume/agent; change the components, then run it. -->

How to move is in [the guide](guide/migrating-from-flume.md); kinds, defaults and meanings of the properties that are
served are in [the reference](agent-components.md). The last column names what is accepted and has no effect, and what
takes its default only, each with the reason. What is in neither is unknown: `logflume agent validate` names it.
"""


def migration() -> str:
    """The page of what became of Flume's components."""
    from logflume.agent import registry

    parts = [MIGRATION_HEAD]
    for kind in registry.KINDS:
        parts.append(
            f"\n## {kind.capitalize()}s\n\n| Flume's | Served | Differs, or not served and why |\n|---|---|---|\n"
        )
        rows = {}
        by_class: dict[type, list[str]] = {}
        for name, cls in registry.names(kind).items():
            by_class.setdefault(cls, []).append(name)
        for cls, names in by_class.items():
            served, differs = _fates(cls.Config)  # type: ignore[attr-defined]
            if any("." in name for name in names):  # the others are logflume's own
                rows[", ".join(f"`{name}`" for name in names)] = (served, differs)
        for name, reason in registry.NOT_SERVED.get(kind, {}).items():
            rows[f"`{name}`"] = ("**no**", f"{reason}.")
        parts += [f"| {name} | {a} | {b} |\n" for name, (a, b) in sorted(rows.items())]
    return "".join(parts)


def _fates(table: type) -> tuple[str, str]:
    """Properties of Flume's that are served, and those that differ with the reason."""
    from logflume.config import describe

    served, differs = [], []
    for row in describe(table):  # type: ignore[arg-type]
        if row.origin != "Flume":
            continue
        if row.effect:
            differs.append(f"`{row.name}`: {row.effect[0].lower()}{row.effect[1:]}")
        else:
            served.append(f"`{row.name}`")
    for family in table.families:  # type: ignore[attr-defined]
        name = f"`{family.prefix}*`"
        if family.no_effect:
            differs.append(f"{name}: no effect. {family.no_effect}")
        else:
            served.append(name)
    cells = (", ".join(sorted(served)) or "yes", " ".join(sorted(differs)))
    return cells[0].replace("|", "&#124;"), cells[1].replace("|", "&#124;")


def render() -> str:
    """The page of components."""
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
        effect = f" **No effect. {family.no_effect}**" if family.no_effect else ""
        rows.append((f"`{family.prefix}*`", "texts", default, family.doc + effect))
    if not rows:
        return "\nNo properties.\n"
    lines = [
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |\n" for row in sorted(rows)
    ]
    return "\n| Property | Kind | Default | Meaning |\n|---|---|---|---|\n" + "".join(lines)


def main(arguments: list[str]) -> int:
    """Write or check the pages; 0 when they are up to date."""
    pages = {PAGE: render(), MIGRATION: migration()}
    for path, page in pages.items():
        if arguments != ["--check"]:
            path.write_text(page, "utf-8")
        elif not path.is_file() or path.read_text("utf-8") != page:
            print(f"{path} is out of date: run tools/gen_agent_docs.py", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    sys.exit(main(sys.argv[1:]))
