"""Random damage to protobuf messages, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

_TEXTS = ("", "zzz", "x", "add", "const", "split", "while_loop", "CoreML8")
_NUMBERS = (0, 1, 2, 3, 5, 7, 11, 21, 31, 35, 99, 2**31 - 1)


def mutate(message: Any, rng: random.Random) -> None:
    """Drops, repeats or changes one field, anywhere in a message."""
    places = [(part, field, value) for part in _parts(message) for field, value in part.ListFields()]
    part, field, value = rng.choice(places)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        del value[rng.choice(sorted(value))]
    elif _is_repeated(value):
        _mutate_items(field, value, rng)
    elif field.message_type is not None or isinstance(value, bool | float):
        part.ClearField(field.name)
    elif isinstance(value, bytes):
        setattr(part, field.name, value[: rng.randrange(len(value) + 1)])
    else:
        setattr(part, field.name, rng.choice(_TEXTS if isinstance(value, str) else _NUMBERS))


def _mutate_items(field: Any, items: Any, rng: random.Random) -> None:
    index = rng.randrange(len(items))
    if rng.random() < 0.5:
        del items[index]
    elif field.message_type is not None:
        items.add().CopyFrom(items[index])
    else:
        items[index] = type(items[index])(rng.choice(_TEXTS if isinstance(items[index], str) else (0, 1, 99)))


def _is_repeated(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str | bytes)


def _parts(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            yield from (inner for item in value.values() if hasattr(item, "ListFields") for inner in _parts(item))
        else:
            yield from (inner for item in (value if _is_repeated(value) else [value]) for inner in _parts(item))
