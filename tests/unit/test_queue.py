"""Queues on a directory, within one process: what is delivered to whom, how often, and what is kept of it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

import logflume
from logflume import errors
from logflume.coordinator.share import ShareGroups
from logflume.types import TopicPartition

EARLIEST = {"share_auto_offset_reset": "earliest"}


@pytest.fixture
def log(tmp_path):
    with logflume.open(tmp_path / "data", group_share_delivery_count_limit=3) as opened:
        opened.create_topic("t")
        yield opened


def put(log: logflume.Log, count: int, topic: str = "t") -> None:
    log.partition(topic, 0).append_many([str(i).encode() for i in range(count)])


def offsets(records: list[logflume.QueueRecord]) -> list[int]:
    return [record.offset for record in records]


def test_each_record_goes_to_one_member(log):
    put(log, 10)
    with log.queue("t", group="g", **EARLIEST) as one, log.queue("t", group="g") as other:
        first = one.poll(max_records=4)
        second = other.poll(max_records=100)
        assert offsets(first) == [0, 1, 2, 3]
        assert offsets(second) == [4, 5, 6, 7, 8, 9]
        assert [r.value for r in first] == [b"0", b"1", b"2", b"3"]
        assert {r.delivery_count for r in first + second} == {1}
        one.commit()
        other.commit()
        assert one.poll() == other.poll() == []


def test_a_group_begins_at_the_end_and_goes_on_from_there(log):
    put(log, 3)
    with log.queue("t", group="g") as queue:
        assert queue.poll() == []
    put(log, 2)
    with log.queue("t", group="g") as queue:
        assert offsets(queue.poll()) == [3, 4]


def test_a_group_begins_a_duration_ago(log):
    partition = log.partition("t", 0)
    now = time.time_ns() // 1_000_000
    partition.append_many([b"old", b"new"], timestamps=[now - 7_200_000, now])
    with log.queue("t", group="g", share_auto_offset_reset="by_duration:PT1H") as queue:
        assert offsets(queue.poll()) == [1]


def test_release_delivers_again_until_the_limit_and_reject_never(log):
    put(log, 2)
    with log.queue("t", group="g", **EARLIEST) as queue:
        for count in (1, 2, 3):
            records = queue.poll()
            assert [(r.offset, r.delivery_count) for r in records if r.offset == 0] == [(0, count)]
            queue.release(records[0])
            if count == 1:
                queue.reject(records[1])
        queue.commit()
        assert queue.poll() == []
    info = ShareGroups(log.directory).partitions("g")[TopicPartition("t", 0)]
    assert (info.start_offset, info.lag) == (2, 0)


def test_what_a_closed_queue_did_not_answer_is_delivered_at_once_and_not_counted(log):
    put(log, 3)
    with log.queue("t", group="g", **EARLIEST) as queue:
        records = queue.poll()
        queue.accept(records[1])
    with log.queue("t", group="g") as queue:
        assert [(r.offset, r.delivery_count) for r in queue.poll()] == [(0, 1), (2, 1)]


def test_a_lock_that_ran_out_frees_the_record_and_refuses_its_answer(log):
    put(log, 2)
    told = []
    options = {"share_record_lock_duration_ms": 1000, **EARLIEST}
    with (
        log.queue("t", group="g", on_acknowledged=lambda *a: told.append(a), **options) as late,
        log.queue("t", group="g", **options) as other,
    ):
        assert len(late.poll()) == 2
        again = other.poll(timeout=60.0)
        assert [(r.offset, r.delivery_count) for r in again] == [(0, 2), (1, 2)]
        with pytest.raises(errors.AcknowledgeFailed) as caught:
            late.commit()
        error = caught.value.errors["t", 0]
        assert isinstance(error, errors.InvalidRecordState)
        assert error.code == 121
        assert told == [(TopicPartition("t", 0), error)]


def test_a_renewed_record_stays_locked_and_is_not_accepted_by_itself(log):
    put(log, 1)
    with log.queue("t", group="g", share_record_lock_duration_ms=60_000, **EARLIEST) as queue:
        [record] = queue.poll()
        queue.renew(record)
        queue.commit()
        queue.commit()
        assert queue.poll() == []
        info = ShareGroups(log.directory).partitions("g")[TopicPartition("t", 0)]
        assert len(info.in_flight) == 1
        queue.accept(record)
        queue.commit()
        with pytest.raises(errors.InvalidRecordState):
            queue.accept(record)


def test_explicit_answers_are_asked_for(log):
    put(log, 3)
    with log.queue("t", group="g", acknowledgement="explicit", **EARLIEST) as queue:
        records = queue.poll()
        queue.accept(records[0])
        with pytest.raises(errors.UnansweredRecords) as caught:
            queue.poll()
        assert caught.value.count == 2
        queue.commit()  # hands in what is answered
        with pytest.raises(errors.UnansweredRecords):
            queue.poll()
        queue.release(records[1])
        queue.reject(records[2])
        assert offsets(queue.poll()) == [1]


def test_no_more_records_are_in_flight_than_there_may_be(tmp_path):
    with logflume.open(tmp_path / "d", group_share_partition_max_record_locks=100) as log:
        log.create_topic("t")
        put(log, 300)
        with log.queue("t", group="g", **EARLIEST) as one, log.queue("t", group="g") as other:
            assert len(one.poll(max_records=80)) == 80
            assert len(other.poll(max_records=80)) == 20
            assert len(other.poll()) == 20  # the twenty of before are accepted by that


def test_offsets_without_a_record_are_passed_over(tmp_path):
    with logflume.open(tmp_path / "d") as log:
        log.create_topic("t")
        with log.producer(transactional_id="x") as producer:
            for i in range(3):
                with producer.transaction():
                    producer.send("t", str(i).encode())
            producer.transaction()
            producer.send("t", b"aborted")
            producer.flush()
        # The aborted one and its marker are at 6 and 7.
        put(log, 1)
        options = {"share_isolation_level": "read_committed", **EARLIEST}
        with log.queue("t", group="g", **options) as queue:
            records = queue.poll(timeout=30.0)
            while len(records) < 4:
                records += queue.poll(timeout=30.0)
            assert [r.value for r in records] == [b"0", b"1", b"2", b"0"]
            queue.commit()
        info = ShareGroups(log.directory).partitions("g")[TopicPartition("t", 0)]
        assert info.start_offset == log.partition("t", 0).end_offset


def test_records_that_are_deleted_while_in_flight_are_forgotten(log):
    put(log, 10)
    with log.queue("t", group="g", **EARLIEST) as queue:
        assert len(queue.poll(max_records=5)) == 5
        log.delete_records({("t", 0): 8})
        queue.commit()
        assert offsets(queue.poll()) == [8, 9]


def test_iterating_accepts_what_was_handed_out_only(log):
    put(log, 5)
    with log.queue("t", group="g", **EARLIEST) as queue:
        for record in queue:
            if record.offset == 2:
                break
        queue.commit()
    with log.queue("t", group="g") as queue:
        assert offsets(queue.poll()) == [3, 4]


def test_a_waiting_poll_sees_new_records_and_released_ones(log):
    with log.queue("t", group="g", **EARLIEST) as one, log.queue("t", group="g") as other:
        timer = threading.Timer(0.1, put, (log, 1))
        timer.start()
        [record] = one.poll(timeout=60.0)
        timer.join()

        def give_back() -> None:
            one.release(record)
            one.commit()

        timer = threading.Timer(0.1, give_back)
        timer.start()
        assert offsets(other.poll(timeout=60.0)) == [0]
        timer.join()


def test_close_from_another_thread_ends_an_iteration(log):
    queue = log.queue("t", group="g")
    timer = threading.Timer(0.1, queue.close)
    timer.start()
    assert list(queue) == []
    timer.join()
    assert queue.closed
    with pytest.raises(errors.Closed):
        queue.poll()


def test_threads_share_the_work(log):
    put(log, 2000)
    seen: list[int] = []

    def work() -> None:
        with log.queue("t", group="g", **EARLIEST) as queue:
            while records := queue.poll(timeout=2.0, max_records=37):
                seen.extend(offsets(records))
                queue.commit()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(2000))


def test_state_is_written_whole_now_and_then_and_read_back(tmp_path):
    path = tmp_path / "d"
    options = {"share_coordinator_snapshot_update_records_per_snapshot": 5}
    with logflume.open(path, **options) as log:
        log.create_topic("t")
        put(log, 40)
        with log.queue("t", group="g", acknowledgement="explicit", **EARLIEST) as queue:
            for _ in range(20):
                first, second = queue.poll(max_records=2)
                queue.accept(first)
                queue.release(second) if second.delivery_count == 1 else queue.accept(second)
                queue.commit()
    for file in path.rglob("*.share"):
        file.unlink()  # as after a power loss: the log alone counts
    with logflume.open(path, **options) as log:
        before = ShareGroups(log.directory).partitions("g")[TopicPartition("t", 0)]
        with log.queue("t", group="g") as queue:
            rest = queue.poll()
        assert before.start_offset <= rest[0].offset
        assert len(rest) == before.lag


def test_a_group_of_consumers_is_none_of_a_queue(log):
    put(log, 1)
    with log.consumer("t", group="g", auto_offset_reset="earliest") as consumer:
        consumer.poll(10.0)
        consumer.commit()
    with pytest.raises(errors.InvalidGroup):
        log.queue("t", group="g")


def test_a_group_of_queues_is_none_of_consumers(log):
    log.queue("t", group="q").close()
    with pytest.raises(errors.InvalidGroup, match="queues"):
        log.consumer("t", group="q")
    ShareGroups(log.directory).delete_group("q")
    log.consumer("t", group="q").close()


def test_what_is_past_is_cut_off_the_state(tmp_path):
    options = {
        "share_coordinator_snapshot_update_records_per_snapshot": 10,
        "share_coordinator_state_topic_segment_bytes": 2048,
        "share_coordinator_state_topic_num_partitions": 1,
    }
    with logflume.open(tmp_path / "d", **options) as log:
        log.create_topic("t")
        put(log, 200)
        with log.queue("t", group="g", **EARLIEST) as queue, log.queue("t", group="g") as other:
            for _ in range(100):
                assert len(queue.poll(max_records=1)) == 1
                assert len(other.poll(max_records=1)) == 1
            queue.commit()
            other.commit()
        assert log.partition("__share_group_state", 0).start_offset > 100
        info = ShareGroups(log.directory).partitions("g")[TopicPartition("t", 0)]
        assert (info.start_offset, info.lag) == (200, 0)
    with logflume.open(tmp_path / "d") as log, log.queue("t", group="g") as queue:
        put(log, 1)
        assert offsets(queue.poll()) == [200]


def test_one_who_waits_for_room_gets_what_is_released(tmp_path):
    with logflume.open(tmp_path / "d", group_share_partition_max_record_locks=100) as log:
        log.create_topic("t")
        put(log, 200)
        with log.queue("t", group="g", **EARLIEST) as one, log.queue("t", group="g") as other:
            records = one.poll(max_records=100)
            before = time.process_time()
            assert other.poll(timeout=0.5) == []
            assert time.process_time() - before < 0.25  # it sleeps, though there are records
            one.release(records[7])

            timer = threading.Timer(0.1, one.commit)
            timer.start()
            assert offsets(other.poll(timeout=60.0))[0] == 7
            timer.join()


def test_a_topic_that_is_deleted_takes_the_groups_state_with_it(log):
    put(log, 3)
    with log.queue("t", group="g", **EARLIEST) as queue:
        queue.poll()
        queue.commit()
    log.delete_topic("t")
    assert ShareGroups(log.directory).partitions("g") == {}
    log.create_topic("t")
    put(log, 2)
    with log.queue("t", group="g", **EARLIEST) as queue:
        assert offsets(queue.poll()) == [0, 1]


def test_groups_are_listed_moved_and_deleted(log):
    groups = ShareGroups(log.directory)
    where = TopicPartition("t", 0)
    put(log, 10)
    with log.queue("t", group="g", client_id="me", **EARLIEST) as queue:
        queue.poll(max_records=4)
        assert groups.groups() == ["g"]
        [member] = groups.members("g")
        assert member.client_id == "me"
        assert [s[:2] for s in groups.partitions("g")[where].in_flight] == [(0, 3)]
        for change in (
            lambda: groups.alter_offsets("g", {where: 3}),
            lambda: groups.delete_group("g"),
            lambda: groups.delete_offsets("g", ["t"]),
        ):
            with pytest.raises(errors.GroupNotEmpty):
                change()
    groups.alter_offsets("g", {where: 7})
    assert groups.partitions("g")[where][:4] == (7, 7, 0, 1)
    with log.queue("t", group="g") as queue:
        assert offsets(queue.poll()) == [7, 8, 9]
    groups.delete_offsets("g", ["t"])
    assert groups.partitions("g") == {}
    assert groups.groups() == ["g"]
    groups.delete_group("g")
    assert groups.groups() == []
    with pytest.raises(errors.GroupNotFound):
        groups.delete_group("g")


def test_what_cannot_be(log, tmp_path):
    with pytest.raises(errors.UnknownTopicOrPartition):
        log.queue("nothing", group="g")
    with pytest.raises(errors.InvalidConfig):
        log.queue("t", group="g", share_auto_offset_reset="none")
    with pytest.raises(errors.InvalidGroup):
        log.queue("t", group="")
    with pytest.raises(ValueError, match="topic"):
        log.queue([], group="g")
    with pytest.raises(errors.UnknownConfig):
        log.queue("t", group="g", acknowledgment="explicit")
    with logflume.open(log.path, read_only=True) as reader, pytest.raises(errors.ReadOnlyDirectory):
        reader.queue("t", group="g")


def test_the_log_counts_more_than_an_older_working_file(log):
    """As when the process dies between its record in the log and the table in the file."""
    put(log, 6)
    where = TopicPartition("t", 0)
    directory = Path(log.path)
    with log.queue("t", group="g", acknowledgement="explicit", **EARLIEST) as queue:
        records = queue.poll()
        [file] = directory.rglob("__share_group_state-*/*.share")
        before = file.read_bytes()
        queue.accept(records[0])
        queue.accept(records[2])
        queue.release(records[4])
        queue.commit()
        after = file.read_bytes()
        queue.abandon()  # as killed, but for its lock
        file.write_bytes(before)
        assert before != after
    with log.queue("t", group="g") as queue:
        assert offsets(queue.poll()) == [1, 3, 4, 5]
        info = ShareGroups(log.directory).partitions("g")[where]
        assert info.start_offset == 1


def test_a_torn_working_file_is_made_anew_from_the_log(log):
    put(log, 4)
    with log.queue("t", group="g", acknowledgement="explicit", **EARLIEST) as queue:
        records = queue.poll()
        queue.accept(records[1])
        queue.commit()
    [file] = Path(log.path).rglob("__share_group_state-*/*.share")
    data = bytearray(file.read_bytes())
    data[64:] = b"\xff" * (len(data) - 64)
    file.write_bytes(data)
    with log.queue("t", group="g") as queue:
        assert offsets(queue.poll()) == [0, 2, 3]


def test_a_forked_child_does_not_take_the_parents_records(log):
    put(log, 4)
    with log.queue("t", group="g", **EARLIEST) as queue:
        first = queue.poll(max_records=2)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            said = b"?"
            try:
                closed = queue.closed
                with log.queue("t", group="g") as own:
                    got = offsets(own.poll())
                    own.commit()
                said = f"{closed} {got}".encode()
            finally:
                os.write(write, said)
                os._exit(0)
        os.waitpid(child, 0)
        os.close(write)
        assert os.read(read, 100) == b"True [2, 3]"
        os.close(read)
        assert len(first) == 2
        queue.commit()
        assert queue.poll() == []
