"""What the pages show is run: their Python blocks in order, their command lines, their links."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from logflume.log import layout
from support.pages import (
    ROOT,
    all_pages,
    anchors,
    command_lines,
    expected_output,
    links,
    program,
)

WITH_PYTHON = [page for page in all_pages() if program(page).strip()]
README = ROOT / "README.md"
# Pages whose Python blocks also make what their command lines need.
WITH_COMMANDS = [
    page for page in (README, *sorted((ROOT / "docs").rglob("*.md"))) if command_lines(page)
]
# Its own test runs it (tests/e2e/test_cli*.py): it shows failures and endless commands too.
WITH_COMMANDS = [page for page in WITH_COMMANDS if page.name != "cli.md"]

RUN = "import sys; path, text = sys.argv[1:]; exec(compile(text, path, 'exec'), {'__name__': '__main__'})"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def environment() -> dict[str, str]:
    """The interpreter's scripts first, so that `logflume` is the one beside it; no directory from outside."""
    scripts = str(Path(sys.executable).parent)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LOGFLUME_")}
    return {**kept, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}


def run_python(page: Path, where: Path) -> str:
    """Runs the page's blocks as one program; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN, name(page), program(page)],
        cwd=where,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
def test_the_pages_python_blocks_run_and_print_what_they_say(page: Path, tmp_path: Path) -> None:
    printed = run_python(page, tmp_path).splitlines()
    at = 0
    for wanted in expected_output(page):
        pattern = ".*".join(re.escape(part) for part in wanted.split("..."))
        found = next(
            (i for i in range(at, len(printed)) if re.fullmatch(pattern, printed[i])), None
        )
        assert found is not None, (
            f"{name(page)} says {wanted!r}; from there on it printed {printed[at:]}"
        )
        at = found + 1


def run_command(line: str, where: Path) -> None:
    """One command line; one that follows (`-f`) is interrupted once it has printed something."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {line}"],
        cwd=where,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        follows = "-f" in line.split()
        first = process.stdout.readline() if follows else ""
        if follows:
            process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0 or (follows and first), f"{line}\n{first}{rest}"


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name)
def test_the_pages_command_lines_run(page: Path, tmp_path: Path) -> None:
    pytest.importorskip("cyclopts")
    if program(page).strip():
        run_python(page, tmp_path)
    (tmp_path / "access.log").write_text(
        "10.0.0.1 GET /\n10.0.0.2 GET /about\n10.0.0.1 GET /news\n"
    )
    for line in command_lines(page):
        run_command(line, tmp_path)


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether the file is there, and in a page of ours the heading."""
    path, _, anchor = link.partition("#")
    to = (page.parent / path).resolve() if path else page
    return to.exists() and (not anchor or to.suffix != ".md" or anchor in anchors(to))


@pytest.mark.parametrize("page", all_pages(), ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    missing = [to for to in links(page) if not leads_somewhere(page, to)]
    assert not missing, f"{name(page)} links to {missing}"


@pytest.mark.parametrize("folder", ["docs", "docs/guide", "docs/decisions", "examples"])
def test_an_index_names_every_page_beside_it(folder: str) -> None:
    index = ROOT / folder / "README.md"
    named = {(index.parent / to.partition("#")[0]).resolve() for to in links(index)}
    beside = {*index.parent.glob("*.md")} - {index}
    assert beside <= named, sorted(page.name for page in beside - named)


@pytest.mark.parametrize("page", ["OPERATIONS.md", "FORMAT.md"])
def test_the_pages_about_files_name_every_file_of_ours(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    files = [
        value
        for key, value in vars(layout).items()
        if key.endswith("_FILE") and "logflume" in value
    ]
    assert len(files) >= 8
    missing = [
        file for file in files if not re.search(rf"(?<![\w-]){re.escape(file)}(?![\w-])", text)
    ]
    assert not missing, f"{page} does not name {missing}"
