"""The house rules that a machine can hold: room cards, sizes of files, triples, lists that match the tree."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "logflume"
LINES_MAX = 500
SOURCE_ENDINGS = {".py", ".pyx", ".pxd", ".pyi", ".c", ".h"}


def tracked() -> list[Path]:
    """Files git knows or would take, so that builds and caches are not looked at."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = (ROOT / name for name in done.stdout.split("\0") if name)
    return sorted(path for path in paths if path.is_file())


def table(name: str) -> list[str]:
    """A list literal of setup.py, read without running it."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and node.target.id == name
        ):
            assert node.value is not None
            return list(ast.literal_eval(node.value))
    raise AssertionError(f"setup.py has no table {name}")


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [path for path in tracked() if path.suffix == ".py" and path.is_relative_to(PACKAGE)]
PACKAGES = [path for path in MODULES if path.name == "__init__.py"]
NATIVE = sorted(path.stem for path in (ROOT / "native").glob("*.pyx"))


@pytest.mark.parametrize("path", PACKAGES, ids=module_name)
def test_every_package_has_its_room_card(path: Path) -> None:
    card = ast.get_docstring(ast.parse(path.read_text()))
    assert card, (
        f"{path}: a package's docstring says what lives there, enters, leaves and is not known there"
    )
    assert len(card) >= 40, f"{path}: a room card says more than {card!r}"


def test_no_source_file_is_too_long() -> None:
    long = {}
    for path in tracked():
        if path.suffix in SOURCE_ENDINGS:
            lines = path.read_text(encoding="utf-8").count("\n")
            if lines > LINES_MAX:
                long[str(path.relative_to(ROOT))] = lines
    assert not long, f"split by verb, past {LINES_MAX} lines: {long}"


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("ending", ["pxd", "pyi"])
def test_every_native_module_has_its_interface_and_stub(name: str, ending: str) -> None:
    assert (PACKAGE / "_native" / f"{name}.{ending}").is_file()


def test_no_interface_or_stub_without_its_module() -> None:
    stubs = {path.stem for path in (PACKAGE / "_native").glob("*.pyi")}
    assert stubs - {"__init__"} <= set(NATIVE)
    for path in (PACKAGE / "_native").glob("*.pxd"):
        # An interface alone is one that only names the C core, for the modules that call it.
        alone = path.stem not in NATIVE
        assert not alone or "cdef extern from" in path.read_text(), path


def test_setup_lists_every_native_module_and_source() -> None:
    assert sorted(table("MODULES")) == NATIVE
    assert sorted(table("CORE_SOURCES")) == sorted(
        path.name for path in (ROOT / "native/csrc").glob("*.c")
    )


def test_manifest_lists_every_native_file() -> None:
    listed = set()
    for line in (ROOT / "MANIFEST.in").read_text().splitlines():
        if line.startswith("include "):
            listed.update(line.split()[1:])
    globs = [name for name in listed if re.search(r"[*?\[]", name)]
    assert not globs, f"a glob that misses says nothing: {globs}"
    native = (ROOT / "native").rglob("*")
    there = {
        str(path.relative_to(ROOT))
        for path in native
        if path.suffix in SOURCE_ENDINGS and not {"fuzz", "races"} & set(path.parts)
    }
    assert {name for name in listed if name.startswith("native/")} == there


def is_own(path: Path, node: ast.ImportFrom) -> bool:
    """Whether a package's __init__ takes this from its own modules, to show it as its own."""
    inside = node.level == 1 or (node.module or "").startswith(module_name(path))
    return path.name == "__init__.py" and inside


def exports(path: Path) -> tuple[set[str], list[str] | None]:
    """Public names a module defines (a package: also what it takes from its own modules), and its __all__."""
    defined: set[str] = set()
    listed: list[str] | None = None
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, ast.TypeAlias if hasattr(ast, "TypeAlias") else ()):
            defined.add(node.name.id)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if names == ["__all__"]:
                assert node.value is not None
                listed = list(ast.literal_eval(node.value))
            defined.update(names)
        elif isinstance(node, ast.ImportFrom) and is_own(path, node):
            defined.update(alias.asname or alias.name for alias in node.names)
    if path.name != "__init__.py":
        # A module's constants may serve its neighbours without being exports.
        defined = {name for name in defined if not name.isupper()}
    public = {name for name in defined if not name.startswith("_")} - {"TYPE_CHECKING"}
    return public, listed


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_all_equals_the_exports(path: Path) -> None:
    defined, listed = exports(path)
    if listed is None:
        assert path.name != "__init__.py" or not defined, (
            f"{path}: defines {sorted(defined)} but has no __all__"
        )
        return
    assert len(listed) == len(set(listed)), "a name twice in __all__"
    assert defined <= set(listed), f"public but not in __all__: {sorted(defined - set(listed))}"
    module = importlib.import_module(module_name(path))
    missing = [name for name in listed if not hasattr(module, name)]
    assert not missing, f"in __all__ but not there: {missing}"


def test_the_version_is_written_once() -> None:
    import logflume

    places = [
        path
        for path in tracked()
        if path.suffix == ".py" and re.search(r'^__version__\s*=\s*"', path.read_text(), re.M)
    ]
    assert [str(path.relative_to(ROOT)) for path in places] == ["src/logflume/_version.py"]
    assert f"## {logflume.__version__}" in (ROOT / "CHANGELOG.md").read_text()
