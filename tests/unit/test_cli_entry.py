"""What all commands share: version, help, exit codes, pipes, terminals, what is imported."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import logflume
from logflume.cli import main
from support.cli import Runner

COMMANDS = (
    "init", "ls", "put", "cat", "tail", "lag", "dump", "verify", "du", "maintain", "compact",
    "recover", "doctor",
    "topic create", "topic describe", "topic alter", "topic delete",
    "group ls", "group describe", "group seek", "group delete",
)  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    return Runner(tmp_path / "data", monkeypatch)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"logflume {logflume.__version__}\n"


@pytest.mark.parametrize("command", [(sys.executable, "-m", "logflume"), ("logflume",)])
def test_as_a_program(command: tuple[str, ...]) -> None:
    path = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = os.environ | {"PATH": os.pathsep.join(path)}
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, f"logflume {logflume.__version__}\n")


def test_help_names_every_command(run: Runner) -> None:
    text = run("--help").out
    for command in COMMANDS:
        assert re.search(rf"│ {command.split()[0]} +[A-Z]", text), command
    assert run().out == text
    assert "--dir" in text
    assert "Exit codes: 0 done, 1 failed, 2 wrong usage" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(run: Runner, command: str) -> None:
    text = run(*command.split(), "--help").out
    assert text.startswith(f"Usage: logflume {command}")
    assert "--dir" in text
    assert "--json" in text
    assert "--no-json" not in text
    assert "--empty-" not in text
    assert not re.search(r"default: (\]|False|None)", text)
    assert "context" not in text.lower()


def test_wrong_usage_is_one_line_that_names_the_help_page(run: Runner) -> None:
    assert "serve, dump, ... (see: logflume --help)" in run.misused("nix")
    assert "logflume topic --help" in run.misused("topic", "nix")
    assert "logflume ls --help" in run.misused("ls", "--nix")
    assert "logflume ls --help" in run.misused("ls", "more")
    assert "logflume topic create --help" in run.misused("topic", "create")
    run.misused("ls", "--dir")


def test_where_the_directory_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOGFLUME_DIR", raising=False)
    assert main(["init"]) == 0
    assert (tmp_path / "logflume-data" / "meta.properties").exists()
    monkeypatch.setenv("LOGFLUME_DIR", "from-environment")
    assert main(["init"]) == 0
    assert (tmp_path / "from-environment").is_dir()
    assert main(["init", "--dir", "given"]) == 0
    assert main(["--dir=given-too", "init"]) == 0
    assert (tmp_path / "given").is_dir()
    assert (tmp_path / "given-too").is_dir()
    capsys.readouterr()


def test_without_the_extra_there_is_a_version_and_advice(tmp_path: Path) -> None:
    code = """
import sys
for name in ("cyclopts", "rich"):
    sys.modules[name] = None
from logflume.cli import main
print(main(["--version"]), main(["ls"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"logflume {logflume.__version__}\n0 1\n"
    assert done.stderr == "logflume: the command line needs more: pip install 'logflume[cli]'\n"


def test_ls_imports_no_rich_no_numpy(run: Runner) -> None:
    """The start stays under 150 ms; bench/test_import.py measures, this holds the cause."""
    run("topic", "create", "t")
    code = f"""
import sys
from logflume.cli import main
main(["--dir", {str(run.directory)!r}, "ls"])
print(*(name for name in ("rich.console", "rich.table", "numpy", "asyncio") if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""
    quick = "import sys; from logflume.cli import main; main(['--version']); print('cyclopts' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", quick], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_reader_that_goes_away_is_no_error(run: Runner) -> None:
    run("topic", "create", "t")
    with logflume.open(run.directory) as log:
        log.partition("t", 0).append_many([b"x" * 100] * 50_000)
    process = run.process("cat", "t")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_write_that_is_taken_in_part_goes_on(run: Runner, unbuffered: str) -> None:
    """Containers set PYTHONUNBUFFERED: standard output is a bare file then, whose writes may be cut short."""
    run("topic", "create", "t")
    with logflume.open(run.directory) as log:
        log.partition("t", 0).append(b"x" * 900_000)
    process = run.process("cat", "t", env=dict(os.environ, PYTHONUNBUFFERED=unbuffered))
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()  # the pipe took a part of the record
    assert process.wait(60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_an_empty_directory_name_is_no_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOGFLUME_DIR", raising=False)
    assert main(["--dir", "", "ls"]) == 2
    assert capsys.readouterr().err == "logflume: --dir: names no directory\n"


def test_full_disk_of_the_reader_is_one_line(run: Runner) -> None:
    run("topic", "create", "t")
    with logflume.open(run.directory) as log:
        log.partition("t", 0).append_many([b"x" * 100] * 1000)
    with open("/dev/full", "wb") as full:
        process = run.process("cat", "t", stdout=full)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err == b"logflume: No space left on device\n"


def test_interrupted_put_keeps_what_it_read(run: Runner) -> None:
    run("topic", "create", "t")
    process = run.process("put", "t", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"one\ntwo\nunfinish")
    process.stdin.flush()
    with logflume.open(run.directory) as log:
        assert log.partition("t", 0).wait(1, 30.0)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert log.partition("t", 0).end_offset == 2
    assert (process.returncode, err) == (130, b"")


def on_terminal(run: Runner, *words: str, typed: str = "", columns: int = 120) -> tuple[int, str]:
    """Exit code and everything a person would see."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "LOGFLUME_DIR")}
    process = run.process(
        *words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment | {"TERM": "xterm-256color"}
    )  # fmt: skip
    os.close(theirs)
    if typed:
        os.write(ours, typed.encode())
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux: the last one closed the other side
            break
        if not part:
            break
        seen += part
    os.close(ours)
    return process.wait(60), seen.decode().replace("\r\n", "\n")


def test_on_a_terminal_tables_have_colours_and_in_pipes_none(run: Runner) -> None:
    run("topic", "create", "t")
    code, seen = on_terminal(run, "ls")
    assert code == 0
    assert "\x1b[1m" in seen
    assert "─" in seen
    assert "\x1b" not in run("ls").out
    code, seen = on_terminal(run, "ls", "--json")
    assert "\x1b" not in seen
    assert code == 0


def test_a_terminal_is_asked_before_deleting(run: Runner) -> None:
    run("topic", "create", "t")
    code, seen = on_terminal(run, "topic", "delete", "t", typed="no\n")
    assert code == 1
    assert "for good? [y/N]" in seen
    assert "nothing was changed" in seen
    assert len(run("ls", "--json").json) == 1
    code, seen = on_terminal(run, "topic", "delete", "t", typed="y\n")
    assert code == 0
    assert "deleted t" in seen
    assert run("ls", "--json").json == []


def test_a_bar_on_a_terminal_for_what_takes_time(run: Runner, tmp_path: Path) -> None:
    run("topic", "create", "t")
    file = tmp_path / "lines"
    file.write_bytes(b'{"id": "a somewhat longer line"}\n' * 600_000)
    code, seen = on_terminal(run, "put", "t", str(file), "--key-field", "id")
    assert code == 0
    said = re.search(r"put 600,000 records .* ([0-9.]+) M/s", seen)
    if said is None or 0.6 / float(said[1]) > 1.0:  # seconds that it took, its start apart
        assert "━" in seen
        assert "k/s" in seen or "M/s" in seen


def test_ctrl_c_is_an_exit_code(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    run("init")
    monkeypatch.setattr("logflume.client.log.open_log", interrupt)
    result = run("ls", expect=130)
    assert (result.raw, result.err) == (b"", "")


def test_names_that_are_no_text(run: Runner) -> None:
    run("init")
    assert "\\udcff" in run.fails("put", "t", "/tmp/no\udcff")
    assert "\\udcff" in run.fails("topic", "describe", "no\udcff")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_commands_and_options(run: Runner, shell: str) -> None:
    script = run("completion", shell).out
    for word in ("logflume", "topic", "describe", "partitions", "read-only"):
        assert word in script
    assert "powershell" in run.misused("completion", "powershell")
