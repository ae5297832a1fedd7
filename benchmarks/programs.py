"""Programs of any number of ops, as converters make them: a layer's ops and the constants that they take."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import available_target, builtin_type, mb, unique_names
from milopt.ir.targets import IOS17
from milopt.ir.walking import walk

CHANNELS = 8


def layered_program(ops: int) -> Any:
    """A program of at least `ops` ops: convolutions, norms, activations, reshapes, all weights small.

    Returns:
        A PyMIL program of iOS 17.
    """
    with unique_names(()), mb.scope():
        layer = sum(1 for _ in walk(_build(2))) - sum(1 for _ in walk(_build(1)))
        return _build(-(-ops // layer))


def _build(layers: int) -> Any:
    def body(x: Any) -> Any:
        for index in range(layers):
            x = _layer(x, index)
        return x

    spec = mb.TensorSpec((1, CHANNELS, 16, 16), dtype=builtin_type("fp16"))
    return mb.program(input_specs=[spec], opset_version=available_target(IOS17))(body)


def _layer(x: Any, index: int) -> Any:
    weight = np.random.default_rng(index).standard_normal((CHANNELS, CHANNELS, 1, 1)).astype(np.float16)
    y = mb.conv(x=x, weight=weight, strides=[1, 1], pad_type="valid", name=f"conv_{index}")
    y = mb.relu(x=mb.add(x=y, y=np.float16(index % 100)), name=f"relu_{index}")
    y = mb.reshape(x=y, shape=[1, CHANNELS, 256], name=f"flat_{index}")
    y = mb.softmax(x=y, axis=-1, name=f"softmax_{index}")
    y = mb.reshape(x=y, shape=[1, CHANNELS, 16, 16], name=f"square_{index}")
    return mb.mul(x=x, y=y, name=f"mul_{index}")
