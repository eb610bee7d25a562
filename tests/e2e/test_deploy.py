"""What lies in examples/deploy: the unit, the options and the container file are what they should be."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from logflume.config import BrokerConfig, DirectoryConfig, ServeConfig
from logflume.config.sources import collect, from_environment, from_toml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "examples" / "deploy"
TABLES = (ServeConfig, BrokerConfig, DirectoryConfig)
INSTRUCTIONS = {
    *("FROM", "RUN", "CMD", "LABEL", "EXPOSE", "ENV", "ADD", "COPY", "ENTRYPOINT", "VOLUME"),
    *("USER", "WORKDIR", "ARG", "STOPSIGNAL", "HEALTHCHECK", "SHELL"),
}


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    text = (DEPLOY / "logflume.service").read_text()
    assert "/opt/logflume/bin/logflume serve --config /etc/logflume/broker.toml" in text
    unit = tmp_path / "logflume.service"
    unit.write_text(text.replace("/opt/logflume/bin/logflume", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "logflume.service" not in done.stderr, done.stderr


def test_the_options_are_taken() -> None:
    found = collect(TABLES, [from_toml(DEPLOY / "broker.toml", TABLES)])
    assert found["serve"]["dir"] == "/var/lib/logflume"
    assert found["broker"]["http"] == "127.0.0.1:9644"
    assert found["directory"]["num.partitions"] == 4


def test_serve_tells_systemd_and_stops_in_order(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(60)
        environment = os.environ | {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "LOGFLUME_DIR": str(tmp_path / "data"),
            "LOGFLUME_LISTEN": "127.0.0.1:0",
            "LOGFLUME_HTTP": "127.0.0.1:0",
        }
        command = [sys.executable, "-m", "logflume", "--json", "serve"]
        with subprocess.Popen(
            [*command, "--config", str(DEPLOY / "broker.toml")],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                assert notify.recv(100) == b"READY=1"
                process.send_signal(signal.SIGTERM)
                assert notify.recv(100) == b"STOPPING=1"
                out, _ = process.communicate(timeout=60)
                assert process.returncode == 0
                assert json.loads(out)["directory"] == str(tmp_path / "data")
            finally:
                process.kill()


def _instructions() -> list[tuple[str, str]]:
    """Instruction and rest, lines that go on put together, comments left out."""
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [(*line.split(None, 1),) for line in text.splitlines() if line.strip()]  # type: ignore[misc]


def test_the_container_file_is_sound() -> None:
    steps = _instructions()
    assert {name for name, _ in steps} <= INSTRUCTIONS
    assert steps[0][0] == "FROM"
    last = max(i for i, (name, _) in enumerate(steps) if name == "FROM")
    final = steps[last:]
    stages = [
        m[1] for name, rest in steps if name == "FROM" and (m := re.search(r" AS (\w+)", rest))
    ]
    for _, rest in steps[: last + 1]:
        assert ":latest" not in rest
    for name, rest in final:
        if name == "COPY":
            assert re.match(r"--from=(\w+) ", rest)[1] in stages  # type: ignore[index]
    [user] = [rest for name, rest in final if name == "USER"]
    assert user != "root"
    for name, rest in final:
        if name == "CMD":
            assert json.loads(rest) == ["logflume", "serve"]
    environment = {
        name: value
        for step, rest in final
        if step == "ENV"
        for name, value in (pair.split("=", 1) for pair in shlex.split(rest))
    }
    source, unknown = from_environment(environment, TABLES)
    assert not unknown
    assert collect(TABLES, [source])["serve"]["listen"] == "0.0.0.0:9092"


def test_the_container_is_asked_for_its_health_where_it_answers() -> None:
    [rest] = [rest for name, rest in _instructions() if name == "HEALTHCHECK"]
    command = json.loads(rest.partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "healthcheck", "exec")
    assert "http://127.0.0.1:9644/healthz" in command[2]
