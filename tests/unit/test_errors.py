"""The error tree: fields, messages, codes, and that errors survive copy and pickle."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys

import pytest

from logflume import errors

CLASSES = sorted(
    (
        c
        for c in vars(errors).values()
        if inspect.isclass(c) and issubclass(c, errors.LogflumeError)
    ),
    key=lambda c: c.__name__,
)
SAMPLES = {"position": 7, "offset": 3, "partition": 1, "seconds": 1.5, "size": 9, "limit": 5}


def sample(cls: type[errors.LogflumeError]) -> errors.LogflumeError:
    return cls(**{name: SAMPLES.get(name, f"<{name}>") for name in cls.field_names})


@pytest.mark.parametrize("cls", CLASSES)
def test_every_field_is_in_the_message_and_an_attribute(cls: type[errors.LogflumeError]) -> None:
    error = sample(cls)
    for name, value in error.fields.items():
        assert getattr(error, name) == value
        # An unknown option has no value to complain of.
        if not (cls is errors.UnknownConfig and name in ("value", "reason")):
            assert str(value) in str(error)


@pytest.mark.parametrize("cls", CLASSES)
def test_optional_fields_leave_no_trace_when_none(cls: type[errors.LogflumeError]) -> None:
    required = {n: SAMPLES.get(n, f"<{n}>") for n in cls.required}
    message = str(cls(**required)).replace("logflume[<extra>]", "")
    assert not any(mark in message for mark in ("None", "[", "]", "{", "}"))


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    "through", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_copies_keep_fields_and_notes(cls, through) -> None:
    error = sample(cls)
    error.add_note("seen in a child")
    other = through(error)
    assert type(other) is cls
    assert (other.fields, str(other), repr(other)) == (error.fields, str(error), repr(error))
    assert other.__notes__ == ["seen in a child"]


def test_a_missing_extra_is_named_as_pip_takes_it() -> None:
    error = errors.MissingExtra(what="a table", extra="arrow")
    assert str(error) == "a table needs pip install 'logflume[arrow]'"


def test_message_does_not_interpret_values() -> None:
    error = errors.InvalidRecord(reason="[odd] {position} {0}")
    assert str(error) == "invalid record: [odd] {position} {0}"


@pytest.mark.parametrize(
    "fields", [{}, {"path": "a"}, {"path": "a", "position": 1, "reason": "r", "colour": "red"}]
)
def test_wrong_fields_are_a_type_error(fields: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="CorruptRecord takes the fields path, reason, position"):
        errors.CorruptRecord(**fields)


def test_a_field_declared_anew_without_default_is_required() -> None:
    assert errors.StorageError(path="a").reason is None
    assert "reason" in errors.RecoveryFailed.required
    with pytest.raises(TypeError, match=r"missing: \['reason'\]"):
        errors.RecoveryFailed(path="a")


def test_fields_are_keyword_only() -> None:
    with pytest.raises(TypeError):
        errors.TopicExists("clicks")  # type: ignore[misc]


def test_docstring_draws_the_whole_tree() -> None:
    for cls in CLASSES:
        line = next(s for s in errors.__doc__.splitlines() if f" {cls.__name__}" in s.split("(")[0])
        if cls.code != -1 and cls is not errors.UnknownConfig and cls is not errors.LockTimeout:
            assert f"[{cls.code}]" in line
    assert [c.__name__ for c in CLASSES if c.retriable] == [
        "ChannelFull",
        "ClusterUnreachable",
        "DeliveryFailed",
        "DirectoryLocked",
        "LockTimeout",
        "RetriableClusterError",
        "StoreUnavailable",
        "Timeout",
    ]


def test_all_names_everything_public() -> None:
    assert set(errors.__all__) == {c.__name__ for c in CLASSES} | {"code_of"}


def test_standard_bases() -> None:
    assert issubclass(errors.InvalidConfig, ValueError)
    assert issubclass(errors.Timeout, TimeoutError)


def test_code_of() -> None:
    assert errors.code_of("OffsetOutOfRange") == 1
    assert errors.code_of("LockTimeout") == 7
    assert errors.code_of("Closed") == -1
    with pytest.raises(LookupError, match="Nonsense"):
        errors.code_of("Nonsense")


def test_lower_rooms_import_nothing_slow() -> None:
    code = "import sys, logflume.errors, logflume.types, logflume.config; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    slow = {
        "typing",
        "dataclasses",
        "enum",
        "re",
        "datetime",
        "difflib",
        "logging",
        "numpy",
        "inspect",
    }
    assert not slow & set(run.stdout.split())
