"""Writes kafka_assignors.json: random groups, and what Kafka's own assignors make of them.

    python make.py DIRECTORY_OF_KAFKA_JARS

Run by hand when the scenarios change; needs Java 17. The test reads the JSON only.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SEED = 20261123


def scenario(rng: random.Random, *, same_topics: bool, with_owned: bool) -> dict[str, object]:
    """One group. Owned partitions are disjoint, as after an earlier, perhaps lopsided, round."""
    partitions = {f"t{n}": rng.randint(1, 9) for n in range(rng.randint(1, 5))}
    names = [f"m{n:02d}" for n in range(rng.randint(1, 8))]
    shared = rng.sample(sorted(partitions), rng.randint(1, len(partitions)))
    members: dict[str, dict[str, object]] = {}
    for name in names:
        topics = (
            shared
            if same_topics
            else rng.sample(sorted(partitions), rng.randint(1, len(partitions)))
        )
        members[name] = {"topics": sorted(topics), "owned": [], "generation": 1, "instance": None}
    for position, name in enumerate(rng.sample(names, rng.randint(0, len(names)))):
        if rng.random() < 0.4:
            members[name]["instance"] = f"i{position}"
    if with_owned:
        owners = rng.sample(names, rng.randint(1, len(names)))
        for topic, count in partitions.items():
            takers = [name for name in owners if topic in members[name]["topics"]]
            for number in range(count):
                if takers and rng.random() < 0.8:
                    members[rng.choice(takers)]["owned"].append([topic, number])
    return {"partitions": partitions, "members": members}


def main() -> None:
    rng = random.Random(SEED)
    scenarios = [scenario(rng, same_topics=bool(n & 1), with_owned=bool(n & 2)) for n in range(120)]
    answer = subprocess.run(
        ["java", "-cp", f"{sys.argv[1]}/*", str(HERE / "KafkaAssignors.java")],
        input=json.dumps(scenarios),
        capture_output=True,
        text=True,
        check=True,
    )
    (HERE / "kafka_assignors.json").write_text(answer.stdout)


if __name__ == "__main__":
    main()
