"""Pages of documentation as programs: their Python blocks, their command lines, their links."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = [
    "ROOT",
    "all_pages",
    "anchors",
    "command_lines",
    "expected_output",
    "links",
    "program",
]

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(\w*)[^\n]*$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_EXPECTED = re.compile(r"# -> (.*)$")


def all_pages() -> list[Path]:
    """Every page that readers are sent to."""
    folders = ("docs", "native", "tests", "bench", "examples")
    deep = (page for folder in folders for page in sorted((ROOT / folder).rglob("*.md")))
    return [*sorted(ROOT.glob("*.md")), *deep]


def _blocks(page: Path) -> list[tuple[str, int, list[str]]]:
    """(language, line number of the first line, lines) of each fenced block."""
    found: list[tuple[str, int, list[str]]] = []
    inside: tuple[str, int, list[str]] | None = None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if inside is None:
            if fence:
                inside = (fence[1], number + 1, [])
        elif fence:
            found.append(inside)
            inside = None
        else:
            inside[2].append(line)
    assert inside is None, f"{page}: a block is not closed"
    return found


def program(page: Path) -> str:
    """The page's Python blocks as one program, each line where it stands in the page: tracebacks fit."""
    out: list[str] = []
    for language, start, lines in _blocks(page):
        if language == "python":
            out += [""] * (start - 1 - len(out)) + lines
    return "\n".join(out) + "\n"


def expected_output(page: Path) -> list[str]:
    """What the page says is printed: the comments `# -> ...` of its Python blocks, in order."""
    return [
        found[1].strip() for line in program(page).splitlines() if (found := _EXPECTED.search(line))
    ]


def command_lines(page: Path) -> list[str]:
    """The lines `logflume ...` of the page's shell blocks, continued ones joined, without comments."""
    out = []
    for language, _, lines in _blocks(page):
        if language == "sh":
            for line in "\n".join(lines).replace("\\\n", " ").splitlines():
                if line.startswith("logflume "):
                    out.append(re.sub(r"\s+#\s.*$", "", line).strip())
    return out


def links(page: Path) -> list[str]:
    """Files and headings that the page links to, as written."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    return [to for to in _LINK.findall(text) if "://" not in to]


def anchors(page: Path) -> set[str]:
    """What links can name behind `#`: the page's headings, as GitHub makes anchors of them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ +(.+?) *$", text, flags=re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}
