"""A group member as a process of its own, and the file to which all members say what they own.

    python group_witness.py GROUP_FILE WITNESS PARTITIONS ASSIGNOR

Every line is one append: pid, "+" (assigned), "=" (still mine), "-" (about to release), partition.
The order of the lines is the order of the events, so two owners show as an owner's line after
another's "+". Ends by SIGTERM, leaving the group; prints "joined" when it is in.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

NAP_S = 0.002


class WitnessedMembers:
    """Starts and ends such processes, and reads their witness."""

    def __init__(self, directory: Path, *, partitions: int, assignor: str) -> None:
        self.path = str(directory / "g.group")
        self.witness = directory / "witness"
        self.witness.touch()
        self.partitions = partitions
        self.assignor = assignor
        self.processes: list[subprocess.Popen[str]] = []

    def start(self) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            __file__,
            self.path,
            str(self.witness),
            str(self.partitions),
            self.assignor,
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process

    def kill(self, process: subprocess.Popen[str]) -> None:
        """kill -9, and wait until it is gone."""
        self.processes.remove(process)
        process.kill()
        self._reap(process)

    def stop(self, process: subprocess.Popen[str]) -> int:
        """Have it leave the group; returns its exit code."""
        self.processes.remove(process)
        process.terminate()
        return self._reap(process)

    def _reap(self, process: subprocess.Popen[str]) -> int:
        code = process.wait(timeout=60)
        assert process.stdout is not None
        process.stdout.close()
        return code

    def close(self) -> None:
        for process in list(self.processes):
            self.kill(process)

    def owners(self) -> dict[int, int]:
        """Partition to pid, by the witness; raises AssertionError when two ever owned it at once."""
        return check_witness(self.witness.read_text())

    def wait_until_all_owned(self, *, seconds: float) -> float:
        """Until living processes own every partition and each owns some; returns how long it took."""
        began = time.monotonic()
        while True:
            owners = self.owners()
            living = {process.pid for process in self.processes}
            if set(owners) == set(range(self.partitions)) and set(owners.values()) == living:
                return time.monotonic() - began
            for process in self.processes:
                assert process.poll() is None, "a member ended by itself"
            if time.monotonic() - began > seconds:
                raise AssertionError(f"after {seconds} s {owners} of living {living}")
            time.sleep(0.002)


def check_witness(text: str) -> dict[int, int]:
    """Present owners; AssertionError for a line that its writer had no right to."""
    owners: dict[int, int] = {}
    lines = text.split("\n")
    for number, line in enumerate(lines[:-1], 1):  # the last is empty, or under way
        pid_text, sign, partition_text = line.split()
        pid, partition = int(pid_text), int(partition_text)
        if sign == "+":
            # Its owner before was killed, or said "-" (and then is not here).
            owners[partition] = pid
            continue
        assert owners.get(partition) == pid, (
            f"line {number}: {pid} still acts on {partition}, which {owners.get(partition)} has"
        )
        if sign == "-":
            del owners[partition]
    return owners


def main(path: str, witness: str, partitions: str, assignor: str) -> None:
    from logflume.coordinator.group_member import GroupMember

    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    fd = os.open(witness, os.O_WRONLY | os.O_APPEND)

    def say(sign: str, numbers: list[int]) -> None:
        # One write a line: a kill between two of them leaves whole lines.
        for number in numbers:
            os.write(fd, f"{os.getpid()} {sign} {number}\n".encode())

    member = GroupMember(
        path, "g", partition_count={"t": int(partitions)}.get, assignors=[assignor]
    )
    member.join(["t"], now=time.monotonic(), joined_ms=int(time.time() * 1000))
    print("joined", flush=True)
    beat = 0
    while not ended:
        change = member.poll(time.monotonic())
        assert not change.lost
        say("+", [p.partition for p in change.assigned])
        say("-", [p.partition for p in change.revoked])
        member.release(change.revoked)
        beat += 1
        if beat % 10 == 0:
            say("=", [p.partition for p in member.owned])
        time.sleep(NAP_S)
    say("-", [p.partition for p in member.owned])
    member.leave(now=time.monotonic())


if __name__ == "__main__":
    main(*sys.argv[1:])
