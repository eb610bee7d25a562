"""A table that follows its topic: callbacks, waiting, the background thread, many threads."""

from __future__ import annotations

import threading
import time

import pytest

from logflume import errors
from logflume.client.table import JSON


def test_callbacks_come_in_the_order_of_the_log_and_see_the_change(log):
    with log.table("one") as table, log.producer() as producer:
        table.put(b"before", b"x")
        table.refresh()
        seen = []

        @table.on_change
        def changed(key, old, new):
            assert table.get(key) == new
            seen.append((key, old, new))

        wanted, model = [], {b"before": b"x"}
        for i in range(300):
            key, value = b"%d" % (i * 7 % 11), None if i % 5 == 0 else b"%d" % i
            producer.send("one", value, key=key)
            old = model.pop(key, None)
            if value is not None:
                model[key] = value
            if old is not None or value is not None:
                wanted.append((key, old, value))
        producer.flush()
        table.refresh()
        assert seen == wanted
        assert dict(table) == model
        table.remove_on_change(changed)
        table.put(b"after", b"x")
        table.refresh()
        assert seen == wanted
        with pytest.raises(ValueError, match="not in list"):
            table.remove_on_change(changed)


def test_what_a_callback_writes_shows_although_it_is_not_published(log):
    with log.table("one", follow="manual", linger_ms=60_000) as table:

        @table.on_change
        def changed(key, _old, new):
            if new == b"1":
                table.put(key, b"2")

        table.put(b"k", b"1")
        table.refresh()
        assert log.partition("one", 0).end_offset == 1
        assert table[b"k"] == b"2"


def test_replay_begins_with_what_is_there(log):
    with log.table("t", value_serde=JSON) as table:
        for i in range(5):
            table.put(b"%d" % i, i)
        table.flush()
        table.delete(b"0")
        seen = []
        table.on_change(lambda *change: seen.append(change), replay=True)
        assert sorted(seen) == [(b"%d" % i, None, i) for i in range(1, 5)]
        table.put(b"1", 11)
        table.refresh()
        assert seen[4:] == [(b"1", 1, 11)]


def test_a_callback_that_raises_is_heard_of_and_nothing_is_announced_twice(log):
    with log.table("one", follow="manual") as table, log.producer() as producer:
        seen = []

        @table.on_change
        def changed(key, _old, _new):
            seen.append(key)
            if key == b"3":
                raise RuntimeError("three")

        producer.send_many("one", [b"v"] * 6, [b"%d" % i for i in range(6)])
        with pytest.raises(RuntimeError, match="three"):
            table.refresh()
        assert dict(table) == {b"%d" % i: b"v" for i in range(4)}
        assert table.positions == {0: 4}
        assert table.refresh() == 2
        assert seen == [b"%d" % i for i in range(6)]


def test_a_callback_may_read_and_write_the_table(log):
    with log.table("t") as table, log.table("t") as other:

        @table.on_change
        def count(key, _old, _new):
            if key != b"count":
                table.put(b"count", b"%d" % (int(table.get(b"count", b"0")) + 1))
                assert len(table) >= 2
                table.refresh()  # not again inside itself

        for i in range(20):
            other.put(b"k%d" % i, b"v")
        other.flush()
        assert table[b"count"] == b"20"
        table.refresh()
        assert table[b"count"] == b"20"
        assert other[b"count"] == b"20"


def test_wait_until(log):
    with log.table("t", follow="manual") as table, log.producer() as producer:
        place = producer.send("t", b"v", key=b"k").result(60)
        table.wait_until(place, 60)
        assert table[b"k"] == b"v"
        table.wait_until(producer.send("t", b"w", key=b"k"), 60)
        assert table[b"k"] == b"w"
        table.wait_until({place.partition: place.offset + 1}, 0)
        began = time.monotonic()
        with pytest.raises(errors.Timeout, match=f"offset 2 of t-{place.partition}"):
            table.wait_until({place.partition: 2}, 0.1)
        assert 0.09 < time.monotonic() - began < 30
        with pytest.raises(ValueError, match="which partition"):
            table.wait_until(1)
        with pytest.raises(ValueError, match="is of t, the table of one"):
            log.table("one").wait_until(place)
        with pytest.raises(ValueError, match="partition 9"):
            table.wait_until({9: 1})
        with log.producer(acks=0) as careless, pytest.raises(ValueError, match="acks=0"):
            table.wait_until(careless.send("t", b"x", key=b"k").result(1))


def test_wait_until_wakes_when_the_record_comes(log):
    with log.table("one") as table, log.producer() as producer:
        threading.Timer(0.2, lambda: producer.send("one", b"v", key=b"k").result()).start()
        table.wait_until(0, 20)
        assert table[b"k"] == b"v"


def test_a_background_table_follows_by_itself(log):
    with log.table("t", follow="background") as table, log.producer() as producer:
        heard = threading.Event()
        names = []

        @table.on_change
        def changed(_key, _old, _new):
            names.append(threading.current_thread().name)
            heard.set()

        producer.send("t", b"v", key=b"k").result(60)
        assert heard.wait(60)
        assert names == ["logflume-table"]
        assert table[b"k"] == b"v"
    assert not [t for t in threading.enumerate() if t.name == "logflume-table"]


def test_a_failure_in_the_background_is_kept_and_does_not_end_the_thread(log, caplog):
    table = log.table("one", follow="background")
    heard = threading.Event()

    @table.on_change
    def changed(key, _old, _new):
        if key == b"bad":
            raise RuntimeError("bad")
        heard.set()

    with log.producer() as producer:
        producer.send("one", b"v", key=b"bad").result(60)
        producer.send("one", b"v", key=b"good").result(60)
    assert heard.wait(60)
    with pytest.raises(RuntimeError, match="bad"):
        table.refresh()
    table.close()
    assert "table refresh failed" in caplog.text


def test_a_forgotten_background_table_ends_its_thread(log):
    log.table("one", follow="background")
    deadline = time.monotonic() + 60
    while [t for t in threading.enumerate() if t.name == "logflume-table"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_threads_may_read_write_and_iterate_at_once(log):
    failures = []

    def guarded(work):
        def run():
            try:
                work()
            except Exception as error:
                failures.append(error)

        return threading.Thread(target=run)

    with log.table("t") as table:

        def write(name):
            for i in range(400):
                table.put(b"%s-%d" % (name, i % 50), b"%d" % i)
                assert int(table[b"%s-%d" % (name, i % 50)]) == i

        def look():
            for _ in range(30):
                assert all(int(v) < 400 for _, v in table.items())
                assert len(list(table)) <= 100

        threads = [guarded(lambda n=n: write(n)) for n in (b"a", b"b")]
        threads += [guarded(look), guarded(look)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failures == []
        assert dict(table) == {
            b"%s-%d" % (n, i): b"%d" % (350 + i) for n in (b"a", b"b") for i in range(50)
        }
