"""Recurrent layers. MIL has the directions side by side in the features, ONNX on an axis of their own.

MIL gives what a reversed layer puts out in the order of its steps, ONNX at the places of the inputs; of a layer that
runs in both directions, both have the latter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..constants import Constant
from ..graph import BOOL, FLOAT, INT64, Graph, Tensor
from ..op import Op
from ..registry import lowers
from ..shapes import sizes, vector

# ONNX's gates, as places in MIL's order of them; of an LSTM, the three with peepholes stand first in both.
_GATES = {"LSTM": (0, 2, 1, 3), "GRU": (2, 0, 1), "RNN": (0,)}
_PEEPHOLES = (0, 2, 1)
_ACTIVATIONS = {
    "hard_sigmoid": "HardSigmoid",
    "linear": "Affine",
    "relu": "Relu",
    "scaled_tanh": "Tanh",  # its scales are 1
    "sigmoid": "Sigmoid",
    "sigmoid_hard": "HardSigmoid",
    "tanh": "Tanh",
}
_WEIGHTS = ("weight_ih", "weight_hh")
_PARAMETERS = {"Affine": (1.0, 0.0), "HardSigmoid": (0.2, 0.5)}


@lowers("lstm")
def lstm(g: Graph, op: Op) -> Sequence[Tensor]:
    """Where MIL clips the cells, it is a loop: ONNX's LSTM clips what goes into the activations."""
    states = ["initial_h", "initial_c"]
    if op.has("clip"):
        return _unless_empty(g, op, states, lambda: _clipped_lstm(g, op))
    names = [f"peephole{suffix}" for suffix in _suffixes(op)]
    peepholes = [g.constant(_stacked(op, names, _PEEPHOLES))] if any(map(op.has, names)) else []
    return _unless_empty(g, op, states, lambda: _layer(g, op, "LSTM", states, peepholes))


@lowers("gru")
def gru(g: Graph, op: Op) -> Sequence[Tensor]:
    """The two biases count apart only where the reset gate acts on what comes out of the hidden weights."""
    after = int(op.flag("reset_after"))
    return _unless_empty(g, op, ["initial_h"], lambda: _layer(g, op, "GRU", ["initial_h"], linear_before_reset=after))


@lowers("rnn")
def rnn(g: Graph, op: Op) -> Sequence[Tensor]:
    """ONNX's op of the same name."""
    return _unless_empty(g, op, ["initial_h"], lambda: _layer(g, op, "RNN", ["initial_h"]))


def _unless_empty(g: Graph, op: Op, states: Sequence[str], run: Callable[[], list[Tensor]]) -> Sequence[Tensor]:
    """What `run` gives, but not without steps or sequences: ONNX Runtime's kernels abort the process then."""
    known = op.shape("x")[:2]
    if 0 in known:
        return _untouched(g, op, states)
    if None not in known:
        return run()
    with g.body() as empty:
        empty.outputs = _untouched(g, op, states)
    with g.body() as full:
        full.outputs = run()
    is_empty = g.op("Equal", g.op("Size", op["x"]), 0)
    return g.subgraph("If", [is_empty], {"then_branch": empty, "else_branch": full})


def _untouched(g: Graph, op: Op, states: Sequence[str]) -> list[Tensor]:
    """The outputs without any step: the states are as they were."""
    finals = [op[name] for name in states]
    if not op.flag("output_sequence"):
        return [g.op("Unsqueeze", finals[0], [0]), *finals]
    shape = [*sizes(g, op["x"], op.shape("x"))[:2], len(_suffixes(op)) * _hidden_size(op)]
    return [g.op("Expand", np.zeros((), FLOAT), vector(g, shape)), *finals]


def _layer(
    g: Graph, op: Op, kind: str, states: Sequence[str], peepholes: Sequence[Tensor] = (), **attributes: int
) -> list[Tensor]:
    """An ONNX layer: what comes out of all steps or of the last, then the states after the last."""
    suffixes = _suffixes(op)
    x, direction = op["x"], op.text("direction", "forward")
    if direction == "reverse" and op.flag("output_sequence"):
        x, direction = _backwards(g, x), "forward"
    every, *finals = g.ops(
        kind,
        x,
        *(g.constant(_stacked(op, [name + each for each in suffixes], _GATES[kind])) for name in _WEIGHTS),
        _biases(op, kind),
        None,
        *(_apart(g, op, op[name]) for name in states),
        *peepholes,
        outputs=1 + len(states),
        direction=direction,
        hidden_size=_hidden_size(op),
        **_activations(op),
        **attributes,
    )
    last = [_beside(g, op, final) for final in finals]
    if op.flag("output_sequence"):
        return [_sequence(g, op, every), *last]
    return [finals[0] if len(suffixes) == 1 else g.op("Unsqueeze", last[0], [0]), *last]


# --- parameters


def _suffixes(op: Op) -> list[str]:
    """What the names of the parameters end in, for each direction."""
    return ["", "_back"] if op.text("direction") == "bidirectional" else [""]


def _hidden_size(op: Op) -> int:
    return int(op.shape("weight_hh")[1] or 0)


def _activations(op: Op) -> dict[str, list[str] | list[float] | None]:
    """The attributes that name ONNX's activations; those with parameters take them in order from two lists."""
    named = [name for name in ("recurrent_activation", "cell_activation", "activation") if op.has(name)]
    names = [_activation(op, name) for name in named] * len(_suffixes(op))
    parameters = [_PARAMETERS[name] for name in names if name in _PARAMETERS]
    alphas, betas = ([each[index] for each in parameters] or None for index in (0, 1))
    return {"activations": names, "activation_alpha": alphas, "activation_beta": betas}


def _activation(op: Op, parameter: str) -> str:
    name = op.text(parameter).lower()
    if name not in _ACTIVATIONS:
        raise op.refusal(f"unknown {parameter} {name!r}", hint=f"one of {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]


def _stacked(op: Op, names: Sequence[str], order: Sequence[int]) -> Constant:
    """A parameter of each direction, zeros where it is absent, with its gates in another order; read when needed."""
    held = [_constant(op, name) if op.has(name) else None for name in names]
    shape = next(each.shape for each in held if each is not None)

    def read() -> np.ndarray:
        return np.stack([np.zeros(shape, FLOAT) if each is None else _reordered(each.load(), order) for each in held])

    return Constant((len(names), *shape), FLOAT, read)


def _biases(op: Op, kind: str) -> np.ndarray | None:
    """Those of the inputs, then those of the hidden states, for each direction; MIL has but one, except in a GRU."""
    names = [[f"{name}{each}" for each in _suffixes(op)] for name in ("input_bias", "bias")]
    held = [_stacked(op, each, _GATES[kind]).load() if any(map(op.has, each)) else None for each in names]
    known = next((each for each in held if each is not None), None)
    if known is None:
        return None
    return np.concatenate([np.zeros_like(known) if each is None else each for each in held], axis=1)


def _constant(op: Op, name: str) -> Constant:
    held = op[name].constant
    if held is not None:
        return held
    value = op.const(name)
    if value is None:
        raise op.refusal(f"{name!r} has to be constant")
    return Constant.of(value, FLOAT)


def _reordered(array: np.ndarray, order: Sequence[int]) -> np.ndarray:
    blocks = array.reshape(len(order), -1, *array.shape[1:])
    return blocks[list(order)].reshape(array.shape)


# --- layouts


def _backwards(g: Graph, x: Tensor) -> Tensor:
    """The last step first."""
    return g.op("Slice", x, [-1], [np.iinfo(INT64).min], [0], [-1])


def _apart(g: Graph, op: Op, state: Tensor) -> Tensor:
    """From (batch, directions * features) to (directions, batch, features)."""
    count = len(_suffixes(op))
    if count == 1:
        return g.op("Unsqueeze", state, [0])
    return g.op("Transpose", g.op("Reshape", state, [0, count, _hidden_size(op)]), perm=[1, 0, 2])


def _beside(g: Graph, op: Op, state: Tensor) -> Tensor:
    """From (directions, batch, features) to (batch, directions * features)."""
    count = len(_suffixes(op))
    if count == 1:
        return g.op("Squeeze", state, [0])
    return g.op("Reshape", g.op("Transpose", state, perm=[1, 0, 2]), [0, count * _hidden_size(op)])


def _sequence(g: Graph, op: Op, every: Tensor) -> Tensor:
    """From (steps, directions, batch, features) to (steps, batch, directions * features)."""
    count = len(_suffixes(op))
    if count == 1:
        return g.op("Squeeze", every, [1])
    return g.op("Reshape", g.op("Transpose", every, perm=[0, 2, 1, 3]), [0, 0, count * _hidden_size(op)])


# --- the LSTM that clips its cells


def _clipped_lstm(g: Graph, op: Op) -> list[Tensor]:
    """A loop for each direction."""
    suffixes = _suffixes(op)
    hidden, cells = (_directions(g, op[name], len(suffixes)) for name in ("initial_h", "initial_c"))
    reads_backwards = [op.text("direction") == "reverse"] if len(suffixes) == 1 else [False, True]
    runs = []
    for suffix, backwards, h, c in zip(suffixes, reads_backwards, hidden, cells, strict=True):
        x = _backwards(g, op["x"]) if backwards else op["x"]
        runs.append(_steps(g, op, suffix, x, [h, c]))
    if len(suffixes) == 2:
        runs[1][0] = _backwards(g, runs[1][0])
    every, h, c = (each[0] if len(each) == 1 else g.op("Concat", *each, axis=-1) for each in zip(*runs, strict=True))
    return [every if op.flag("output_sequence") else g.op("Unsqueeze", h, [0]), h, c]


def _directions(g: Graph, state: Tensor, count: int) -> Sequence[Tensor]:
    return [state] if count == 1 else g.ops("Split", state, outputs=count, axis=1, num_outputs=count)


def _steps(g: Graph, op: Op, suffix: str, x: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
    """The hidden states of all steps, and both states after the last."""
    gates = g.op("MatMul", x, _transposed(g, op, f"weight_ih{suffix}"))
    if op.has(f"bias{suffix}"):
        gates = g.op("Add", gates, op[f"bias{suffix}"])
    count = g.op("Squeeze", g.op("Shape", x, start=0, end=1))
    with g.body(("step", INT64), ("goes_on", BOOL), ("hidden", FLOAT), ("cells", FLOAT)) as body:
        step, goes_on, hidden, cells = body.inputs
        body.shapes |= {step.name: (), goes_on.name: ()}
        hidden, cells = _step(g, op, suffix, g.op("Gather", gates, step), [hidden, cells])
        body.outputs = [goes_on, hidden, cells, hidden]
    hidden, cells, every = g.subgraph("Loop", [count, None, *states], {"body": body})
    return [every, hidden, cells]


def _step(g: Graph, op: Op, suffix: str, gates: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
    """The new hidden states and cells after one step, from what its inputs give to the gates."""
    hidden, cells = states
    gates = g.op("Add", gates, g.op("MatMul", hidden, _transposed(g, op, f"weight_hh{suffix}")))
    enter, forget, leave, new = g.ops("Split", gates, outputs=4, axis=-1, num_outputs=4)
    enter, forget = (
        _gate(g, op, gate, cells, hole) for gate, hole in zip((enter, forget), _peepholes(op, suffix)[:2], strict=True)
    )
    new = _activated(g, op, "cell_activation", new)
    cells = g.op("Add", g.op("Mul", forget, cells), g.op("Mul", enter, new))
    cells = g.op("Clip", cells, -op.number("clip"), op.number("clip"))
    leave = _gate(g, op, leave, cells, _peepholes(op, suffix)[2])
    return [g.op("Mul", leave, _activated(g, op, "activation", cells)), cells]


def _peepholes(op: Op, suffix: str) -> Sequence[np.ndarray | None]:
    """What the input, forget and output gates see of the cells."""
    name = f"peephole{suffix}"
    return np.split(_constant(op, name).load(), 3) if op.has(name) else [None] * 3


def _gate(g: Graph, op: Op, gate: Tensor, cells: Tensor, peephole: np.ndarray | None) -> Tensor:
    seen = gate if peephole is None else g.op("Add", gate, g.op("Mul", cells, peephole))
    return _activated(g, op, "recurrent_activation", seen)


def _activated(g: Graph, op: Op, parameter: str, x: Tensor) -> Tensor:
    name = _activation(op, parameter)
    return x if name == "Affine" else g.op(name, x)  # HardSigmoid's parameters are ONNX's defaults


def _transposed(g: Graph, op: Op, name: str) -> Tensor:
    held = _constant(op, name)
    return g.constant(Constant(held.shape[::-1], FLOAT, lambda: held.load().T))
