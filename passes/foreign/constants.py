"""Keeps arrays from passes of coremltools that compute in place: they may be the caller's, or a mapped file's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...ir.walking import walk

Options = Mapping[str, Any]


def _scales_channels(options: Options) -> bool:
    """Whether a configuration asks for scales of channels, by which weights are then divided in place."""
    config = options.get("config")
    if config is None:
        return False
    parts = [config.global_config, *config.op_type_configs.values(), *config.op_name_configs.values()]
    return any(getattr(part, "enable_per_channel_scale", False) for part in parts)


def _always(_: Options) -> bool:
    return True


# Passes that overwrite arrays: with which options, and those of constants that ops of which types use (None: all).
_OVERWRITERS: dict[str, tuple[Callable[[Options], bool], frozenset[str] | None]] = {
    "common::fuse_conv_bias": (_always, frozenset({"sub"})),
    "common::fuse_transpose_matmul": (_always, frozenset({"transpose"})),
    "compression::palettize_weights": (_scales_channels, None),
}


@contextmanager
def kept_constants(program: Any, pass_id: str, options: Options) -> Iterator[None]:
    """While it lasts, a pass that overwrites arrays has copies of them; constants that it leaves are then as before.

    Args:
        program: what the pass runs on.
        pass_id: which pass.
        options: its options.
    """
    applies, users = _OVERWRITERS.get(pass_id, (lambda _: False, None))
    constants = list(_arrays(program, users)) if applies(options) else []
    for operation, array in constants:
        _put(operation, array.copy())
    try:
        yield
    finally:
        for operation, array in constants:
            _put(operation, array)


def _arrays(program: Any, users: frozenset[str] | None) -> Iterator[tuple[Any, np.ndarray]]:
    for operation in walk(program):
        if operation.op_type != "const":
            continue
        var = operation.outputs[0]
        if isinstance(var.val, np.ndarray) and (users is None or any(each.op_type in users for each in var.child_ops)):
            yield operation, var.val


def _put(operation: Any, array: np.ndarray) -> None:
    for var in (operation.val, operation.outputs[0]):
        var._sym_val.val = array  # noqa: SLF001 - PyMIL has no other way to keep the op and change its array
