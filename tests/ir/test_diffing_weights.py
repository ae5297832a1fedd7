"""Differences of weights: values measured, encodings told, sharing and leftovers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.copying import copy_program
from milopt.ir.diffing.comparing import diff_programs
from milopt.ir.diffing.options import DiffOptions
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.passes.transforms.raise_opset import RaiseOpset
from milopt.runtime.decoding import constant_of
from support.diffing import edited, told
from support.editing import find_op, replace_constant
from support.passes import run_passes
from support.program_registry import build_program, fp16, fp32
from support.programs import PROGRAMS, weights


def test_changed_element_of_a_weight_is_measured() -> None:
    def change(program: Any) -> None:
        value = weights(64, 40).copy()
        value[63, 39] += np.float16(0.5)
        replace_constant(find_op(program, "linear_weight_0"), value)

    program = PROGRAMS["linear"]()
    change(program)
    (found,) = diff_programs(PROGRAMS["linear"](), program).functions[0].weights
    old, new = weights(64, 40).astype(np.float64), program.functions["main"].find_ops(op_type="linear")[0].weight.val
    noise = new.astype(np.float64) - old
    assert found.distance is not None
    assert (found.kind, found.distance.elements, found.distance.differing) == ("value", 2560, 1)
    assert found.distance.max_abs == np.abs(noise).max()
    assert found.distance.snr_db == pytest.approx(10 * np.log10((old**2).sum() / (noise**2).sum()))
    assert found.users == ("linear.weight",)
    assert edited("linear", change, DiffOptions(weights=False)) == []


def test_weight_that_several_ops_share_is_told_once() -> None:
    def shared(seed: int) -> Any:
        def body(x: Any) -> Any:
            weight = mb.const(val=weights(40, 40, seed=seed), name="weight")
            return mb.linear(x=mb.linear(x=x, weight=weight, name="first"), weight=weight, name="second")

        return build_program(body, IOS17, x=fp16(10, 40))

    (found,) = diff_programs(shared(0), shared(1)).functions[0].weights
    assert found.users == ("first.weight", "second.weight")


@pytest.mark.parametrize("options", [DiffOptions(decode=constant_of), DiffOptions(names=False, decode=constant_of)])
def test_quantized_weight_is_another_encoding_of_the_same_weight(options: DiffOptions) -> None:
    program = PROGRAMS["linear_ios18"]()
    quantized = run_passes(program, QuantizeWeights()).program
    diff = diff_programs(program, quantized, options)
    (found,) = diff.functions[0].weights
    assert (found.kind, found.old.encoding, found.new.encoding) == (
        "encoding",
        "const",
        "constexpr_blockwise_shift_scale",
    )
    assert diff.counts().total() == 1
    assert found.distance is not None
    assert found.distance.snr_db is not None
    assert 35 < found.distance.snr_db < 50  # int8, one scale for each channel
    assert not diff_programs(program, quantized, DiffOptions(weights=False))


def test_opset_and_weights_of_an_optimized_program_are_all_that_is_told() -> None:
    program = PROGRAMS["linear_chain"]()
    result = run_passes(program, RaiseOpset(target="iOS18"), QuantizeWeights()).program
    assert [line.partition(";")[0] for line in told(diff_programs(program, result))] == [
        "~ opset: iOS17 -> iOS18",
        "~ weight 'first_weight_0' of first.weight: const -> constexpr_blockwise_shift_scale, tensor<fp16, [64, 40]>",
        "~ weight 'second_weight_0' of second.weight: const -> constexpr_blockwise_shift_scale, tensor<fp16, [50, 64]>",
    ]


def test_parts_of_a_compressed_weight_are_told() -> None:
    def change(program: Any) -> None:
        scale = find_op(program, "linear").weight.op.scale
        replace_constant(scale.op, np.ascontiguousarray(scale.val * np.float16(2)))

    program = run_passes(PROGRAMS["linear_ios18"](), QuantizeWeights()).program
    changed = copy_program(program)
    change(changed)
    (found,) = diff_programs(program, changed, DiffOptions(decode=constant_of)).functions[0].weights
    assert (found.kind, found.parts) == ("value", ("scale",))
    assert found.distance is not None
    assert found.distance.snr_db == pytest.approx(0, abs=0.01)


def test_weight_of_another_type_is_measured_all_the_same() -> None:
    def typed(dtype: str, spec: Any) -> Any:
        return build_program(
            lambda x: mb.matmul(x=x, y=weights(40, 30, dtype="float32").astype(dtype), name="y"), IOS17, x=spec
        )

    (found,) = diff_programs(typed("float32", fp32(2, 40)), typed("float16", fp16(2, 40))).functions[0].weights
    assert (found.kind, found.old.type, found.new.type) == ("type", "tensor<fp32, [40, 30]>", "tensor<fp16, [40, 30]>")
    assert found.distance is not None
    assert found.distance.snr_db is not None
    assert found.distance.snr_db > 70


def test_constant_that_nothing_uses_is_an_op() -> None:
    def with_leftover(*, leftover: bool) -> Any:
        def body(x: Any) -> Any:
            if leftover:
                mb.const(val=weights(5, 7), name="unused")
            return mb.relu(x=x, name="relu")

        return build_program(body, IOS17, x=fp16(3, 4))

    plain, more = with_leftover(leftover=False), with_leftover(leftover=True)
    assert told(diff_programs(plain, more)) == ["+ const 'unused': tensor<fp16, [5, 7]>"]
    assert told(diff_programs(more, plain)) == ["- const 'unused': tensor<fp16, [5, 7]>"]
