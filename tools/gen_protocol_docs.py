"""Write the table of docs/PROTOCOL.md from the broker's handlers; with --check, only say whether it is up to date."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "PROTOCOL.md"
BEGIN = "<!-- Written by tools/gen_protocol_docs.py from the handlers' cards. -->\n"
END = "<!-- End of what is written by the tool. -->\n"


def render() -> str:
    """The table of what is served."""
    from logflume.broker.dispatch import table

    parts = ["| API | Key | Versions | What is served |\n|---|---|---|---|\n"]
    for key, handler in sorted(table().items()):
        card = import_module(handler.function.__module__).__doc__ or ""
        name, text = re.match(r"(\w+): v[\d-]+[.,;]? ?(.*)", " ".join(card.split())).groups()  # type: ignore[union-attr]
        versions = f"{handler.lowest}-{handler.highest}"
        if handler.lowest == handler.highest:
            versions = str(handler.lowest)
        text = re.sub(r"`([^`]*?)\|([^`]*?)`", r"`\1\\|\2`", text)
        parts.append(f"| {name} | {key} | {versions} | {text} |\n")
    return "".join(parts)


def main(arguments: list[str]) -> int:
    """Write the page, or compare it."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n{render()}\n{END}{after}"
    if arguments == ["--check"]:
        if page == made:
            return 0
        print(f"{PAGE} is out of date: run tools/gen_protocol_docs.py", file=sys.stderr)
        return 1
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
