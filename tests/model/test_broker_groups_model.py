"""Groups of a broker as state machines under random members: they join, confirm, leave, fall silent, the broker dies.

Held after every step: no partition belongs to two members of one epoch or generation, and epochs never go back.
Held at the end, once everybody behaves: the group becomes stable, in bounded time, with everything assigned.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from logflume.coordinator.classic_requests import Leaver
from logflume.coordinator.group_context import CommitRequest
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.coordinator.group_settings import GroupSettings
from support.broker_groups import GROUP, REBALANCE_MS, World

TOPICS = {"t": 5, "u": 3}
CALM = settings(max_examples=60, stateful_step_count=60)
TIMES_MS = st.sampled_from([0, 100, 4000, 9000, 50_000, 130_000])
REJOIN = (
    GroupError.FENCED_MEMBER_EPOCH,
    GroupError.UNKNOWN_MEMBER_ID,
    GroupError.GROUP_ID_NOT_FOUND,
)


@dataclass(eq=False)
class Consumer:
    """What a client of the consumer protocol knows."""

    member_id: str
    instance_id: str | None = None
    epoch: int = 0
    owned: frozenset = frozenset()
    wishes: dict = field(default_factory=dict)
    is_unsure: bool = False

    def beat(self, world: World, *, lost: bool = False) -> None:
        """One heartbeat; with `lost` its answer does not arrive."""
        said = dict(self.wishes) if not self.epoch or self.is_unsure else {}
        if self.epoch:
            said["owned"] = self.owned
        if self.is_unsure:
            said["rebalance_timeout_ms"] = REBALANCE_MS
        try:
            answer = world.heartbeat(
                self.member_id, self.epoch, instance_id=self.instance_id, **said
            )
        except GroupRefused as refused:
            if refused.error not in REJOIN:
                raise
            self.epoch, self.owned = 0, frozenset()
            return
        # As clients do: after an answer that did not come everything is said again.
        self.is_unsure = lost
        if lost:
            return
        if answer.epoch:
            assert answer.epoch >= self.epoch
            self.epoch = answer.epoch
        if answer.assignment is not None:
            self.owned = answer.assignment


class ConsumerGroups(RuleBasedStateMachine):
    """KIP-848."""

    consumers = Bundle("consumers")

    def __init__(self) -> None:
        super().__init__()
        self.world = World(TOPICS)
        self.here: list[Consumer] = []
        self.epoch = 0
        self.names = 0

    def group(self):
        machine = self.world.coordinator.machines.get(GROUP)
        return None if machine is None else machine.group

    @rule(
        target=consumers,
        topics=st.sampled_from([("t",), ("u",), ("t", "u"), ("t", "nowhere")]),
        static=st.booleans(),
        assignor=st.sampled_from([None, "uniform", "range"]),
    )
    def comes(self, topics, static, assignor) -> Consumer:
        self.names += 1
        name = f"m{self.names}"
        consumer = Consumer(
            name, f"i-{name}" if static else None, wishes={"topics": topics, "assignor": assignor}
        )
        consumer.beat(self.world)
        self.here.append(consumer)
        return consumer

    @rule(consumer=consumers, lost=st.booleans())
    def beats(self, consumer, lost) -> None:
        consumer.beat(self.world, lost=lost)

    @rule(consumer=consumers)
    def begins_anew(self, consumer) -> None:
        consumer.epoch, consumer.owned = 0, frozenset()
        consumer.beat(self.world)

    @rule(consumer=consumers, topics=st.sampled_from([("t",), ("t", "u")]))
    def changes_its_topics(self, consumer, topics) -> None:
        consumer.wishes = {**consumer.wishes, "topics": topics}
        if consumer.epoch:
            try:
                answer = self.world.heartbeat(
                    consumer.member_id,
                    consumer.epoch,
                    instance_id=consumer.instance_id,
                    topics=topics,
                    owned=consumer.owned,
                )
            except GroupRefused:
                consumer.epoch, consumer.owned = 0, frozenset()
            else:
                consumer.epoch = answer.epoch
                consumer.owned = consumer.owned if answer.assignment is None else answer.assignment

    @rule(consumer=consumes(consumers), for_now=st.booleans())
    def leaves(self, consumer, for_now) -> None:
        self.here.remove(consumer)
        epoch = -2 if for_now and consumer.instance_id else -1
        self.world.refused(consumer.member_id, epoch, instance_id=consumer.instance_id)

    @rule(consumer=consumes(consumers))
    def crashes(self, consumer) -> None:
        self.here.remove(consumer)

    @rule(ms=TIMES_MS)
    def time_passes(self, ms) -> None:
        self.world.pass_time(ms)

    @rule(count=st.integers(5, 9))
    def topic_grows(self, count) -> None:
        if count > self.world.catalog.topics()["t"].partitions:
            self.world.catalog.grow("t", count)

    @rule()
    def topic_is_made_anew(self) -> None:
        self.world.catalog.delete("u")
        self.world.catalog.create("u", 2)

    @rule()
    def broker_dies(self) -> None:
        before = self.group()
        self.world.restart()
        if before is not None and not before.is_empty:
            assert self.group().members == before.members
            assert self.group().targets == before.targets

    @invariant()
    def nothing_belongs_to_two(self) -> None:
        group = self.group()
        if group is None:
            return
        held = [p for member in group.members.values() for p in member.held]
        assert len(held) == len(set(held)), "two members are told the same partition"
        assert {p: group.owners[p] for p in held} == group.owners
        targets = [p for target in group.targets.values() for p in target]
        assert len(targets) == len(set(targets))
        # What clients believe: two live clients of their present epochs never both own one.
        believed = [
            p
            for consumer in self.here
            if consumer.member_id in group.members and consumer.epoch
            if group.members[consumer.member_id].epoch == consumer.epoch
            for p in consumer.owned
        ]
        assert len(believed) == len(set(believed))

    @invariant()
    def epochs_never_go_back(self) -> None:
        group = self.group()
        if group is not None:
            assert group.epoch >= self.epoch
            assert group.target_epoch <= group.epoch
            self.epoch = group.epoch

    def teardown(self) -> None:
        """Everybody who is still here behaves from now on; the others' sessions end."""
        for _ in range(40):
            for consumer in self.here:
                consumer.beat(self.world)
            self.world.pass_time(5000)
        group = self.group()
        if not self.here:
            assert group is None or group.is_empty
            return
        assert group.state == "Stable"
        assert set(group.members) == {consumer.member_id for consumer in self.here}
        topics = self.world.catalog.topics()
        wanted = {name for c in self.here for name in c.wishes["topics"] if name in topics}
        everything = {(topics[n].topic_id, i) for n in wanted for i in range(topics[n].partitions)}
        assert set(group.owners) == everything
        for consumer in self.here:
            assert consumer.owned == group.members[consumer.member_id].assigned


@dataclass(eq=False)
class Classic:
    """What a client of the classic protocol knows, and the answer it waits for."""

    member_id: str = ""
    instance_id: str | None = None
    generation: int = -1
    owned: frozenset[int] | None = None
    joining: object = None
    syncing: object = None

    def join(self, world: World) -> None:
        self.owned, self.syncing = None, None
        self.joining = world.join(self.member_id, instance_id=self.instance_id)
        self.look(world)

    def look(self, world: World) -> None:
        """Take the answers that came; do what a client does then."""
        if self.joining is not None and (answer := self.joining.answer) is not None:
            self.joining = None
            if answer.error is GroupError.MEMBER_ID_REQUIRED:
                self.member_id = answer.member_id
                return self.join(world)
            if answer.error:
                if answer.error is not GroupError.REBALANCE_IN_PROGRESS:
                    self.member_id = ""
                return None
            assert answer.generation >= self.generation or self.member_id != answer.member_id
            self.member_id, self.generation = answer.member_id, answer.generation
            ids = [m.member_id for m in answer.members]
            shares = {m: bytes(range(i, 8, len(ids))) for i, m in enumerate(ids)}
            if answer.skip_assignment:
                shares = {}
            self.syncing = world.sync(
                self.member_id, self.generation, assignments=shares, instance_id=self.instance_id
            )
        if self.syncing is not None and (answer := self.syncing.answer) is not None:
            self.syncing = None
            if not answer.error:
                self.owned = frozenset(answer.assignment)
            elif answer.error is not GroupError.REBALANCE_IN_PROGRESS:
                self.member_id = ""
        return None

    def beat(self, world: World) -> None:
        self.look(world)
        if self.joining is not None or self.syncing is not None:
            return
        error = GroupError.UNKNOWN_MEMBER_ID
        if self.owned is not None and self.member_id:
            error = world.beat(self.member_id, self.generation, self.instance_id)
            if error in (GroupError.UNKNOWN_MEMBER_ID, GroupError.ILLEGAL_GENERATION):
                self.member_id = ""
        if error:
            self.join(world)


class ClassicGroups(RuleBasedStateMachine):
    """The classic protocol: the leader shares out the numbers 0 to 7."""

    clients = Bundle("clients")

    def __init__(self) -> None:
        super().__init__()
        self.world = World(settings=GroupSettings(initial_rebalance_delay_ms=3000))
        self.here: list[Classic] = []
        self.generation = 0
        self.names = 0

    def group(self):
        machine = self.world.coordinator.machines.get(GROUP)
        return None if machine is None else machine.group

    @rule(target=clients, static=st.booleans())
    def comes(self, static) -> Classic:
        self.names += 1
        client = Classic(instance_id=f"i{self.names}" if static else None)
        client.join(self.world)
        self.here.append(client)
        return client

    @rule(client=clients)
    def beats(self, client) -> None:
        client.beat(self.world)

    @rule(client=clients)
    def joins_again(self, client) -> None:
        client.join(self.world)

    @rule(client=clients)
    def forgets_itself(self, client) -> None:
        client.member_id, client.generation = "", -1
        client.join(self.world)

    @rule(client=consumes(clients))
    def leaves(self, client) -> None:
        self.here.remove(client)
        self.world.coordinator.leave(GROUP, [Leaver(client.member_id, client.instance_id)])

    @rule(client=consumes(clients))
    def crashes(self, client) -> None:
        self.here.remove(client)

    @rule(ms=TIMES_MS)
    def time_passes(self, ms) -> None:
        self.world.pass_time(ms)

    @rule()
    def broker_dies(self) -> None:
        self.world.restart()
        # A generation that had no assignment yet was never stored: it may come again, empty-handed.
        self.generation = min(self.generation, getattr(self.group(), "generation", 0))
        for client in self.here:
            client.joining = client.syncing = None  # its connection broke

    @invariant()
    def nothing_belongs_to_two_of_a_generation(self) -> None:
        group = self.group()
        if group is None or group.state != "Stable":
            return
        shares = [n for member in group.members.values() for n in member.assignment]
        assert len(shares) == len(set(shares))
        believed = [
            n
            for c in self.here
            if c.member_id in group.members and c.generation == group.generation
            for n in c.owned or ()
        ]
        assert len(believed) == len(set(believed))

    @invariant()
    def generations_never_go_back(self) -> None:
        group = self.group()
        if group is not None:
            assert group.generation >= self.generation
            self.generation = group.generation

    @invariant()
    def who_waits_has_a_timer(self) -> None:
        group = self.group()
        if group is not None and group.state in ("PreparingRebalance", "CompletingRebalance"):
            assert self.world.coordinator.tick() is not None

    def teardown(self) -> None:
        """Everybody who is still here behaves from now on; the others' sessions end."""
        for _ in range(120):
            for client in self.here:
                client.beat(self.world)
            self.world.pass_time(3000)
        group = self.group()
        if not self.here:
            assert group is None or group.is_empty
            return
        for client in self.here:
            client.look(self.world)
        assert group.state == "Stable"
        assert set(group.members) == {client.member_id for client in self.here}
        assert sorted(n for client in self.here for n in client.owned) == list(range(8))


TestConsumerGroups = ConsumerGroups.TestCase
TestConsumerGroups.settings = CALM
TestClassicGroups = ClassicGroups.TestCase
TestClassicGroups.settings = CALM


MEMBER_IDS = st.sampled_from(["", "a", "b", "id1", "c-id1", "i-id1", "\0", "é" * 40])
INSTANCES = st.sampled_from([None, "", "i", "j"])
NUMBERS = st.sampled_from([-(1 << 31), -3, -2, -1, 0, 1, 2, 3, (1 << 31) - 1])
PARTITIONS = st.none() | st.frozensets(
    st.tuples(st.sampled_from([UUID(int=0), UUID(int=1), UUID(int=99)]), NUMBERS), max_size=3
)
TOPIC_LISTS = st.none() | st.lists(st.sampled_from(["t", "", "nowhere"]), max_size=2).map(tuple)
PROTOCOL_LISTS = st.lists(
    st.tuples(st.sampled_from(["range", "sticky", ""]), st.binary(max_size=3)), max_size=2
).map(tuple)
HOSTILE = st.one_of(
    st.fixed_dictionaries(
        {
            "kind": st.just("join"),
            "member_id": MEMBER_IDS,
            "instance_id": INSTANCES,
            "protocol_type": st.sampled_from(["consumer", "", "connect"]),
            "protocols": PROTOCOL_LISTS,
            "requires_id": st.booleans(),
            "rebalance_timeout_ms": NUMBERS,
        }
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("sync"),
            "member_id": MEMBER_IDS,
            "generation": NUMBERS,
            "instance_id": INSTANCES,
            "assignments": st.dictionaries(MEMBER_IDS, st.binary(max_size=2), max_size=2),
        }
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("heartbeat"),
            "member_id": MEMBER_IDS,
            "epoch": NUMBERS,
            "instance_id": INSTANCES,
            "rebalance_timeout_ms": NUMBERS,
            "topics": TOPIC_LISTS,
            "regex": st.sampled_from([None, "", "t.*", "("]),
            "assignor": st.sampled_from([None, "range", "uniform", "mine"]),
            "owned": PARTITIONS,
        }
    ),
    st.fixed_dictionaries(
        {"kind": st.just("beat"), "member_id": MEMBER_IDS, "generation": NUMBERS}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("leave"), "member_id": MEMBER_IDS, "instance_id": INSTANCES}
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("commit"),
            "member_id": MEMBER_IDS,
            "epoch": NUMBERS,
            "instance_id": INSTANCES,
            "transactional": st.booleans(),
        }
    ),
    st.fixed_dictionaries({"kind": st.just("time"), "ms": TIMES_MS}),
    st.fixed_dictionaries({"kind": st.just("restart")}),
    st.fixed_dictionaries({"kind": st.just("delete")}),
)


@settings(max_examples=150)
@given(st.lists(HOSTILE, max_size=25))
def test_nothing_that_a_client_can_say_breaks_a_group(steps: list[dict]) -> None:
    """Any request in any state is answered or refused with one of Kafka's errors; nothing else is raised."""
    world = World(TOPICS)
    for step in steps:
        kind = step.pop("kind")
        try:
            if kind == "join":
                world.join(**step)
            elif kind == "sync":
                world.sync(**step)
            elif kind == "heartbeat":
                world.heartbeat(**step)
            elif kind == "beat":
                world.beat(**step)
            elif kind == "leave":
                world.coordinator.leave(GROUP, [Leaver(**step)])
            elif kind == "commit":
                world.coordinator.check_commit(CommitRequest(group=GROUP, **step))
            elif kind == "time":
                world.pass_time(**step)
            elif kind == "restart":
                world.restart()
            else:
                world.coordinator.delete(GROUP)
        except GroupRefused:
            pass
    world.restart()
    world.pass_time(10_000_000)
    machine = world.coordinator.machines.get(GROUP)
    assert machine is None or machine.group.is_empty
