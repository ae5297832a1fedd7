"""What is quantized already stays and is completed; a second run finds nothing to do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from milopt.ir.copying import copy_program
from milopt.ir.equality import first_difference
from milopt.ir.errors import MiloptError
from milopt.ir.pymil import mb, opset_of
from milopt.ir.targets import IOS17
from milopt.ir.verifier import verify
from milopt.passes.transforms.raise_opset import RaiseOpset
from support.activations import canonical, counts, inserted
from support.editing import find_op
from support.generated_quantized import quantized_programs
from support.passes import run_passes
from support.program_registry import build_program
from support.programs import PROGRAMS, fp16, weights

ALL = ({"tensor": "*", "low": -1.0, "high": 1.0},)
quick = settings(
    deadline=None, database=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)


def image(body: Callable[[Any], Any]) -> Any:
    return build_program(body, IOS17, x=fp16(1, 4, 6, 8))


def conv(x: Any, name: str) -> Any:
    return mb.conv(x=x, weight=weights(4, x.shape[1], 1, 1), name=name)


def pair(x: Any, scale: float, name: str, **more: Any) -> Any:
    codes = mb.quantize(input=x, scale=np.float16(scale), output_dtype="int8", name=f"{name}_q", **more)
    return mb.dequantize(input=codes, scale=np.float16(scale), name=name, **more)


def network(x: Any) -> Any:
    """A bit of everything: a residual, a concat, a pool, moved values, an activation written out, two outputs."""
    first = mb.relu(x=conv(x, "first"), name="r")
    total = conv(mb.add(x=conv(first, "second"), y=first, name="sum"), "third")
    gated = mb.mul(x=total, y=mb.sigmoid(x=total), name="gated")
    padded = mb.pad(x=first, pad=[0, 0, 0, 0, 0, 0, 0, 0], constant_val=np.float16(0))
    both = mb.concat(values=[gated, padded], axis=1, name="z")
    pooled = mb.max_pool(x=both, kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid", name="pool")
    flat = mb.reshape(x=mb.transpose(x=pooled, perm=[0, 2, 3, 1]), shape=(12, 8), name="flat")
    scores = mb.softmax(x=mb.matmul(x=flat, y=flat, transpose_y=True, name="scores"), name="soft")
    return mb.matmul(x=scores, y=flat, name="y"), mb.exp(x=first, name="other")


@pytest.mark.parametrize("outputs", [False, True])
def test_a_second_run_changes_nothing(outputs: bool) -> None:  # noqa: FBT001
    once = inserted(image(network), ranges=ALL, outputs=outputs)
    assert counts(once)["quantize"] > 8
    assert first_difference(inserted(once, ranges=ALL, outputs=outputs), once) is None


def test_neither_does_one_with_other_ranges() -> None:
    once = inserted(image(network), ranges=ALL)
    again = inserted(once, ranges=({"tensor": "*", "low": -9.0, "high": 1.0},), activation_mode="affine")
    assert first_difference(again, once) is None


def test_nor_one_behind_canonicalize() -> None:
    once = canonical(inserted(image(network), ranges=ALL))
    assert first_difference(inserted(once, ranges=ALL), once) is None


@quick
@given(quantized_programs())
def test_random_programs_are_completed_once(program: Any) -> None:
    once = inserted(copy_program(program), ranges=ALL)
    assert not verify(once)
    assert first_difference(inserted(once, ranges=ALL), once) is None
    assert counts(once)["quantize"] >= counts(program)["quantize"]


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("options", [{}, {"outputs": True, "activation_mode": "affine"}], ids=["default", "outputs"])
def test_every_program_of_the_tests_is_quantized_once(name: str, options: dict[str, Any]) -> None:
    program = PROGRAMS[name]()
    if opset_of(program) < IOS17:
        with suppress(MiloptError):  # two ops can not be raised
            program = run_passes(program, RaiseOpset(target="iOS17")).program
    if opset_of(program) >= IOS17:
        once = inserted(program, ranges=ALL, **options)
        assert first_difference(inserted(once, ranges=ALL, **options), once) is None


def test_pairs_of_training_stay_and_lend_their_scales() -> None:
    """Training quantized x and what leaves `first`; behind the transpose, and behind `second`, pairs are missing."""

    def body(x: Any) -> Any:
        first = pair(mb.relu(x=conv(pair(x, 0.5, "xd"), "first"), name="r"), 0.25, "rd")
        padded = mb.pad(x=first, pad=[1, 1, 1, 1], constant_val=np.float16(0), name="p")
        return conv(mb.tanh(x=conv(padded, "second"), name="t"), "third")

    program = image(body)
    after = inserted(program)  # nothing was measured, and nothing needs to be
    assert find_op(after, "first").x.op is find_op(after, "xd")
    assert find_op(after, "p").x.op is find_op(after, "rd")
    assert [find_op(after, name).x.op.scale.val for name in ("second", "third")] == [0.25, np.float16(1 / 127)]
    assert counts(after)["quantize"] == 4
    assert first_difference(inserted(after), after) is None


def test_a_pair_that_only_some_take_is_taken_by_all() -> None:
    def body(x: Any) -> Any:
        trained = pair(x, 0.5, "xd")
        return conv(trained, "first"), conv(x, "second"), mb.exp(x=x, name="float")

    after = inserted(image(body))
    assert find_op(after, "second").x.op is find_op(after, "xd")
    assert find_op(after, "float").x.op is None
    assert counts(after)["quantize"] == 1


def test_a_pair_that_comes_too_late_is_repeated() -> None:
    def body(x: Any) -> Any:
        second = conv(x, "second")
        return second, conv(pair(x, 0.5, "xd"), "first")

    after = inserted(image(body))
    made = find_op(after, "second").x.op
    assert (made.op_type, float(made.scale.val)) == ("dequantize", 0.5)
    assert made is not find_op(after, "xd")


def test_scales_for_each_channel_stay() -> None:
    scales = np.array([1, 0.5, 0.25, 2], np.float16)

    def body(x: Any) -> Any:
        codes = mb.quantize(input=x, scale=scales, axis=1, output_dtype="int8")
        d = mb.dequantize(input=codes, scale=scales, axis=1, name="d")
        pooled = mb.max_pool(x=d, kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid", name="pool")
        return conv(d, "first"), mb.exp(x=pooled, name="y")

    program = image(body)
    after = inserted(program, ranges=({"tensor": "first", "low": -1.0, "high": 1.0},))
    assert first_difference(after, program) is None


@pytest.mark.parametrize("decode", ["dequantize", "constexpr"])
def test_weights_that_are_quantized_stay_weights(decode: str) -> None:
    codes = np.arange(16, dtype=np.int8).reshape(4, 4, 1, 1)

    def body(x: Any) -> Any:
        if decode == "dequantize":
            weight = mb.dequantize(input=codes, scale=np.float16(0.5))
        else:
            weight = mb.constexpr_affine_dequantize(
                quantized_data=codes, zero_point=np.int8(0), scale=np.float16(0.5), axis=np.int32(0)
            )
        return mb.exp(x=mb.relu(x=mb.conv(x=x, weight=weight, name="op"), name="r"))

    after = inserted(image(body), ranges=ALL)
    assert counts(after)["quantize"] == 2
    assert find_op(after, "op").weight.op.op_type.startswith(decode)
