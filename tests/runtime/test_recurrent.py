from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS17, IOS18
from milopt.runtime.lower import lower_function
from support.running import program_of, run

STEPS, BATCH, INPUTS, HIDDEN = 5, 3, 4, 2
NAMES = ["sigmoid", "tanh", "tanh"]
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "scaled_tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "linear": lambda x: x,
}


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def weights(gates: int, suffix: str = "", *, peephole: bool = False) -> dict[str, np.ndarray]:
    seed = len(suffix)
    result = {
        f"weight_ih{suffix}": normal(gates * HIDDEN, INPUTS, seed=seed),
        f"weight_hh{suffix}": normal(gates * HIDDEN, HIDDEN, seed=seed),
        f"bias{suffix}": normal(gates * HIDDEN, seed=seed),
    }
    return result | ({f"peephole{suffix}": normal(3 * HIDDEN, seed=seed)} if peephole else {})


def each_step(x: np.ndarray, step: Callable[..., tuple[np.ndarray, ...]], *states: np.ndarray) -> list[np.ndarray]:
    every = []
    for each in x:
        states = step(each, *states)
        every.append(states[0])
    return [np.stack(every), *states]


def lstm(
    x: np.ndarray, *states: np.ndarray, held: dict[str, np.ndarray], names: list[str], clip: float | None
) -> list[np.ndarray]:
    outer, inner, last = (ACTIVATIONS[name] for name in names)
    hole = np.split(held.get("peephole", np.zeros(3 * HIDDEN)), 3)

    def step(x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        i, f, o, z = np.split(x @ held["weight_ih"].T + h @ held["weight_hh"].T + held.get("bias", 0), 4, axis=1)
        c = outer(f + hole[1] * c) * c + outer(i + hole[0] * c) * inner(z)
        c = c if clip is None else np.clip(c, -clip, clip)
        return outer(o + hole[2] * c) * last(c), c

    return each_step(x, step, *states)


def gru(
    x: np.ndarray, h: np.ndarray, held: dict[str, np.ndarray], names: list[str], *, after: bool
) -> list[np.ndarray]:
    outer, last = (ACTIVATIONS[name] for name in names)
    of_reset, of_new, of_update = np.split(held["weight_hh"].T, 3, axis=1)
    biases = np.split(held.get("bias", np.zeros(3 * HIDDEN)), 3)

    def step(x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray]:
        i, n, u = np.split(x @ held["weight_ih"].T + held.get("input_bias", 0), 3, axis=1)
        reset, update = outer(i + h @ of_reset + biases[0]), outer(u + h @ of_update + biases[2])
        new = reset * (h @ of_new + biases[1]) if after else (reset * h) @ of_new + biases[1]
        return ((1 - update) * last(n + new) + update * h,)

    return each_step(x, step, h)


def close(actual: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for got, wanted in zip(actual, expected, strict=True):
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


X, H, C = normal(STEPS, BATCH, INPUTS), normal(BATCH, HIDDEN), normal(BATCH, HIDDEN, seed=1)


@pytest.mark.parametrize("clip", [None, 0.3])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("symbolic", [False, True])
def test_lstm_in_one_direction(direction: str, clip: float | None, *, symbolic: bool) -> None:
    held = weights(4, peephole=True)
    options = held if clip is None else held | {"clip": np.float32(clip)}

    def body(x: Any, h: Any, c: Any) -> list[Any]:
        given = {"x": x, "initial_h": h, "initial_c": c, "direction": direction, **options}
        return [*mb.lstm(**given, output_sequence=True), *mb.lstm(**given)]

    every, h, c = lstm(X[::-1] if direction == "reverse" else X, H, C, held=held, names=NAMES, clip=clip)
    close(run(body, symbolic=symbolic, x=X, h=H, c=C), [every, h, c, h[None], h, c])


@pytest.mark.parametrize("clip", [None, 0.3])
@pytest.mark.parametrize("symbolic", [False, True])
def test_lstm_in_both_directions(clip: float | None, *, symbolic: bool) -> None:
    held, back = weights(4, peephole=True), weights(4, "_back")
    options = held | back | ({} if clip is None else {"clip": np.float32(clip)})
    states = {"h": np.concatenate([H, -H], axis=1), "c": np.concatenate([C, C / 2], axis=1)}

    def body(x: Any, h: Any, c: Any) -> list[Any]:
        given = {"x": x, "initial_h": h, "initial_c": c, "direction": "bidirectional", **options}
        return [*mb.lstm(**given, output_sequence=True), *mb.lstm(**given)]

    back = {name.removesuffix("_back"): each for name, each in back.items()}
    ahead = lstm(X, H, C, held=held, names=NAMES, clip=clip)
    behind = lstm(X[::-1], -H, C / 2, held=back, names=NAMES, clip=clip)
    h, c = (np.concatenate(each, axis=1) for each in zip(ahead[1:], behind[1:], strict=True))
    every = np.concatenate([ahead[0], behind[0][::-1]], axis=2)
    close(run(body, symbolic=symbolic, x=X, **states), [every, h, c, h[None], h, c])


@pytest.mark.parametrize("clip", [None, 0.7])
@pytest.mark.parametrize(
    "names",
    [
        ["hard_sigmoid", "linear", "relu"],
        ["Linear", "hard_sigmoid", "scaled_tanh"],
        ["relu", "sigmoid", "linear"],
        ["tanh", "relu", "hard_sigmoid"],
    ],
)
def test_lstm_with_other_activations(names: list[str], clip: float | None) -> None:
    held = weights(4)
    options = held if clip is None else held | {"clip": np.float32(clip)}

    def body(x: Any, h: Any, c: Any) -> Any:
        activations = dict(zip(("recurrent_activation", "cell_activation", "activation"), names, strict=True))
        return mb.lstm(x=x, initial_h=h, initial_c=c, output_sequence=True, **options, **activations)

    close(run(body, x=X, h=H, c=C), lstm(X, H, C, held=held, names=[name.lower() for name in names], clip=clip))


def test_one_step_without_bias_in_half_precision() -> None:
    held = {name: each.astype(np.float16) for name, each in weights(4).items() if name != "bias"}
    inputs = {"x": X[:1].astype(np.float16), "h": H.astype(np.float16), "c": C.astype(np.float16)}

    def body(x: Any, h: Any, c: Any) -> Any:
        return mb.lstm(x=x, initial_h=h, initial_c=c, output_sequence=True, **held)

    actual = run(body, IOS17, precision="float16", **inputs)

    wide = {name: each.astype(np.float32) for name, each in held.items()}
    expected = lstm(*(each.astype(np.float32) for each in inputs.values()), held=wide, names=NAMES, clip=None)
    for got, wanted in zip(actual, expected, strict=True):
        assert got.dtype == np.float16
        np.testing.assert_allclose(got, wanted.astype(np.float16), rtol=2e-3)


@pytest.mark.parametrize("names", [["sigmoid", "tanh"], ["hard_sigmoid", "linear"], ["linear", "relu"]])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("symbolic", [False, True])
def test_gru(direction: str, names: list[str], *, symbolic: bool) -> None:
    held = weights(3)

    def body(x: Any, h: Any) -> list[Any]:
        activations = dict(zip(("recurrent_activation", "activation"), names, strict=True))
        given = {"x": x, "initial_h": h, "direction": direction, **held, **activations}
        return [*mb.gru(**given, output_sequence=True), *mb.gru(**given)]

    every, h = gru(X[::-1] if direction == "reverse" else X, H, held, names, after=False)
    close(run(body, symbolic=symbolic, x=X, h=H), [every, h, h[None], h])


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("left_out", [[], ["bias"], ["input_bias"], ["bias", "input_bias"]])
def test_gru_with_two_biases(left_out: list[str], *, after: bool) -> None:
    held = weights(3) | {"input_bias": normal(3 * HIDDEN, seed=7)}
    held = {name: each for name, each in held.items() if name not in left_out}

    def body(x: Any, h: Any) -> Any:
        return mb.gru(x=x, initial_h=h, output_sequence=True, reset_after=after, **held)

    close(run(body, IOS18, x=X, h=H), gru(X, H, held, ["sigmoid", "tanh"], after=after))


@pytest.mark.parametrize("name", [*ACTIVATIONS, "sigmoid_hard"])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_rnn(direction: str, name: str) -> None:
    held = weights(1)
    function = ACTIVATIONS["hard_sigmoid" if name == "sigmoid_hard" else name]

    def body(x: Any, h: Any) -> list[Any]:
        given = {"x": x, "initial_h": h, "direction": direction, "activation": name, **held}
        return [*mb.rnn(**given, output_sequence=True), *mb.rnn(**given)]

    def step(x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray]:
        return (function(x @ held["weight_ih"].T + h @ held["weight_hh"].T + held["bias"]),)

    every, h = each_step(X[::-1] if direction == "reverse" else X, step, H)
    close(run(body, symbolic=True, x=X, h=H), [every, h, h[None], h])


def test_compressed_weights() -> None:
    held = weights(1)
    table = np.random.default_rng(3).integers(-9, 9, (HIDDEN, INPUTS)).astype(np.int8)

    def body(x: Any, h: Any) -> Any:
        packed = mb.constexpr_affine_dequantize(
            quantized_data=table, zero_point=np.int8(1), scale=np.float32(0.25), axis=np.int32(0)
        )
        return mb.rnn(x=x, initial_h=h, output_sequence=True, **held | {"weight_ih": packed})

    wide = (table.astype(np.float32) - 1) / 4
    every, h = each_step(X, lambda x, h: (np.tanh(x @ wide.T + h @ held["weight_hh"].T + held["bias"]),), H)
    close(run(body, IOS17, x=X, h=H), [every, h])


def test_unknown_activations_are_refused() -> None:
    with pytest.raises(RunError, match="unknown activation 'cube'"):
        run(lambda x, h: mb.rnn(x=x, initial_h=h, activation="cube", **weights(1)), x=X, h=H)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(("steps", "batch"), [(0, BATCH), (STEPS, 0)])
@pytest.mark.parametrize("clip", [None, 0.3])
def test_without_steps_or_sequences_the_states_stay(
    steps: int, batch: int, clip: float | None, *, symbolic: bool
) -> None:
    options = weights(4) | ({} if clip is None else {"clip": np.float32(clip)})

    def body(x: Any, h: Any, c: Any) -> list[Any]:
        given = {"x": x, "initial_h": h, "initial_c": c, **options}
        short = mb.gru(x=x, initial_h=h, **weights(3))
        return [
            *mb.lstm(**given, output_sequence=True),
            mb.lstm(**given)[0],
            *short,
            *mb.rnn(x=x, initial_h=h, **weights(1)),
        ]

    h, c = H[:batch], C[:batch]
    every = np.zeros((steps, batch, HIDDEN), np.float32)
    close(run(body, symbolic=symbolic, x=X[:steps, :batch], h=h, c=c), [every, h, c, h[None], h[None], h, h[None], h])


@pytest.mark.parametrize("whole", [False, True])
def test_only_a_whole_reversed_sequence_needs_a_reversal(*, whole: bool) -> None:
    def body(x: Any, h: Any) -> Any:
        return mb.rnn(x=x, initial_h=h, direction="reverse", output_sequence=whole, **weights(1))

    graph = lower_function(program_of(body, IOS15, {"x": X, "h": H}, symbolic=False).functions["main"]).graph

    assert ("Slice" in {node.op_type for node in graph.main.nodes}) is whole
