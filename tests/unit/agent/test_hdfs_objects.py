"""The HDFS sink into S3 (moto's): an object is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from logflume.agent.buckets.object_store import ObjectStore
from support import s3

from .test_hdfs_sink import Kept


@pytest.mark.timeout(240)
def test_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import obstore

    with s3.server() as endpoint:
        for name, value in s3.environment(endpoint).items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, value)
        store = ObjectStore("s3a://bucket", str(tmp_path))._opened()

        def objects() -> dict[str, bytes]:
            found = [entry for chunk in obstore.list(store) for entry in chunk]
            return {e["path"]: bytes(obstore.get(store, e["path"]).bytes()) for e in found}

        spool = tmp_path / "spool"
        one = Kept(
            tmp_path,
            hdfs__path="s3a://bucket/in/%{h}",
            hdfs__rollCount="2",
            hdfs__spoolDir=str(spool),
        )
        one.put(b"1", b"2", b"3", h="a b")
        (name,) = objects()
        assert name.startswith("in/a b/FlumeData.")
        assert objects() == {name: b"1\n2\n"}
        # A crash: what is settled lies in the spool directory, what is not is cut off.
        one.put(b"4", b"5", settle=False, h="a b")
        one.begin()
        assert [*objects().values()] == [b"1\n2\n", b"3\n"]
        assert list(spool.iterdir()) == []
        # A store that is away: the object comes later, from here.
        one.put(b"4", h="c")
        with monkeypatch.context() as away:

            def refused(*given: object) -> None:
                raise OSError("no route to it")

            away.setattr(obstore, "put", refused)
            one.sink.close()
        assert len(objects()) == 2
        one.begin()
        assert [*objects().values()][2:] == [b"4\n"]
        assert list(spool.iterdir()) == []
        one.sink.close()
