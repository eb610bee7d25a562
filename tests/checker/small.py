"""Many short histories: actors take turns in one thread, so that a seed gives the same history again."""

from __future__ import annotations

import random
from collections.abc import Callable

from checker.actors import Actor, last_look, make
from checker.history import Event, Recorder
from checker.ports import Log
from checker.twin import Twin, TwinLog

__all__ = ["CASTS", "PLACES", "play", "twin_history"]

PLACES = ["in-0", "out-0", "out-1", "more-0"]

# Who takes part. Movers read the first place.
CASTS = (
    ("txn1", "txn2", "committed1", "all1"),
    ("txn1", "plain1", "committed1", "watch1"),
    ("plain1", "mover1", "committed1", "all1"),
    ("txn1", "mover1", "committed1", "watch1"),
    ("txn1", "txn2", "txn3", "committed1", "committed2", "plain1"),
)


def play(
    rng: random.Random,
    enter: Callable[[str], Log],
    *,
    cast: tuple[str, ...],
    steps: int,
    places: list[str] = PLACES,
    kill: Callable[[str], None] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> list[Event]:
    """One history. `enter` gives a log to each actor; `kill` ends one's without a word, if that can be done here.

    Without a kill an actor is now and then replaced by its successor while it goes on, as after a pause.
    """
    recorder = Recorder()
    actors: dict[str, Actor] = {}
    zombies: list[Actor] = []
    born = dict.fromkeys(cast, 0)
    logs: dict[str, Log] = {}

    def enter_actor(slot: str) -> None:
        name = f"{slot}'{born[slot]}" if born[slot] else slot
        born[slot] += 1
        logs[name] = enter(name)
        actors[slot] = make(logs[name], recorder, random.Random(rng.random()), name, places)

    for slot in cast:
        enter_actor(slot)
    for _ in range(steps):
        slot = rng.choice(cast)
        dice = rng.random()
        if dice < 0.02 and kill is not None:
            recorder.note("play", "killed", whom=actors[slot].name)
            kill(actors[slot].name)
            enter_actor(slot)
        elif dice < 0.03 and slot.startswith("txn"):
            zombies.append(actors[slot])
            enter_actor(slot)
        elif dice < 0.06 and zombies:
            rng.choice(zombies).step()
        else:
            actors[slot].step()
        tick()
    everybody = [*zombies, *actors.values()]
    rng.shuffle(everybody)
    for actor in everybody:
        actor.finish()
        if rng.random() < 0.5:
            tick()
    groups = ["movers"] if any(slot.startswith("mover") for slot in cast) else []
    last_look(logs[rng.choice(list(actors.values())).name], recorder, places, groups)
    return recorder.events


def twin_history(seed: int, fault: str = "", *, steps: int = 60) -> list[Event]:
    """A history of the twin; with kills, which it settles as a log must."""
    rng = random.Random(seed)
    twin = Twin(PLACES, random.Random(rng.random()), fault)
    pulse = TwinLog(twin, "pulse")

    def tick() -> None:
        if rng.random() < 0.3:
            pulse.tick()

    return play(
        rng,
        lambda name: TwinLog(twin, name),
        cast=rng.choice(CASTS),
        steps=steps,
        kill=lambda name: None,
        tick=tick,
    )
