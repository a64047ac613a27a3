"""Whether an upload file fits its form, and if not, what is wrong with it and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.types import Json
from results.export.files import decode
from results.export.form import Form, Record

SHOWN = 5
_NAMES = {str: "text", int: "a whole number", type(None): "nothing", dict: "an object", float: "a number"}


def problems(form: Form, content: bytes, expected: Sequence[Record]) -> Iterator[str]:
    """Everything that the receiver would stumble over; nothing for a good file. `expected`: the form's records."""
    try:
        records = decode(form, content)
    except ValueError as error:
        yield f"{error}."
        return
    numbered = enumerate(records, start=1)
    faults = [f"record {number}: {fault}" for number, one in numbered for fault in _faults(form, one)]
    yield from faults[:SHOWN]
    if len(faults) > SHOWN:
        yield f".. and {len(faults) - SHOWN} more records with faults"
    yield from _wrong_keys([one.get(form.key) for one in records], [one[form.key] for one in expected], form.key)


def _faults(form: Form, record: Record) -> Iterator[str]:
    if list(record) != list(form.columns):
        yield f"has the columns {', '.join(map(str, record))} instead of {', '.join(form.columns)}"
        return
    for name, kinds in form.columns.items():
        value = record[name]
        if not isinstance(value, kinds) or isinstance(value, bool):
            yield f"{name} is {value!r:.60}, which must be {' or '.join(_NAMES[kind] for kind in kinds)}"
            return
    if fault := form.fault(record):
        yield fault


def _wrong_keys(found: Sequence[Json], expected: Sequence[Json], name: str) -> Iterator[str]:
    if list(found) == list(expected):
        return
    have, need = Counter(map(repr, found)), Counter(map(repr, expected))
    for text, some in (
        ("absent", need - have),
        ("too many: they are no questions, or occur more than once", have - need),
    ):
        if some:
            first = ", ".join(list(some)[:SHOWN])
            yield f"{some.total():,} of {len(expected):,} values of {name} are {text}: {first}"
    if have == need:
        place = next(number for number, (one, other) in enumerate(zip(found, expected, strict=True)) if one != other)
        yield f"the order is wrong: record {place + 1} has {name} {found[place]!r}, which must be {expected[place]!r}"
