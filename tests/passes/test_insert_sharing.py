"""What is put together with values that have a scale already: it shares that scale only where it fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.equality import first_difference
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from milopt.passes.analysis.activations.sharing import extent, is_symmetric, misfit
from milopt.passes.analysis.calibration.grid import GridHistogram
from milopt.passes.analysis.calibration.tensor_statistics import Range
from milopt.passes.canonicalization.schemes import Scheme
from milopt.passes.manager import PassManager, RunResult
from milopt.passes.pipeline import program_pipeline
from milopt.passes.transforms.insert_quantize_dequantize import InsertQuantizeDequantize
from milopt.runtime.session import Session
from support.activations import decibels, given, inserted, measured, statistics, statistics_of, values_in
from support.editing import find_op
from support.program_registry import build_program
from support.programs import fp16, weights

IMAGE = fp16(1, 4, 6, 8)
UNIT = {"x": (-1, 1), "a": (-2, 2), "b": (-2, 2), "z": (-2, 2), "y": (-1, 1)}


def conv(x: Any, name: str, factor: float = 1) -> Any:
    return mb.conv(x=x, weight=weights(4, x.shape[1], 1, 1) * np.float16(factor), name=name)


def pair(x: Any, scale: float, name: str, codes: type = np.int8, zero_point: int = 0) -> Any:
    more = {"scale": np.float16(scale)} | ({"zero_point": codes(zero_point)} if zero_point else {})
    made = mb.quantize(input=x, output_dtype=np.dtype(codes).name, name=f"{name}_q", **more)
    return mb.dequantize(input=made, name=name, **more)


def joined(*parts: Callable[[Any], Any]) -> Any:
    """A concat of values, which a convolution takes and an op on floats."""

    def body(x: Any) -> Any:
        together = mb.concat(values=[part(x) for part in parts], axis=1, name="z")
        return conv(together, "y"), mb.exp(x=together, name="float")

    return build_program(body, IOS17, x=IMAGE)


def trained(scale: float, name: str = "a", **more: Any) -> Callable[[Any], Any]:
    return lambda x: pair(conv(x, name), scale, f"{name}d", **more)


def plain(name: str = "b", factor: float = 1) -> Callable[[Any], Any]:
    return lambda x: conv(x, name, factor)


def run(program: Any, **options: Any) -> RunResult:
    return PassManager(program_pipeline(InsertQuantizeDequantize(**options))).run(program)


def reasons(result: RunResult) -> dict[str, tuple[str, str]]:
    return {each.op: (each.code, each.message) for each in result.remarks if each.kind == "missed"}


def scales(program: Any) -> list[float | None]:
    """The scales of the inputs of the concat, and of its output for the convolution; None for a float."""
    values = [*find_op(program, "z").values, find_op(program, "y").x]
    return [float(each.op.scale.val) if each.op.op_type == "dequantize" else None for each in values]


def half(number: float) -> float:
    return float(np.float16(number))


def test_what_fits_takes_the_scale_that_is_there() -> None:
    program = joined(trained(1 / 32), plain())
    after = inserted(program, calibration=given(program, **(UNIT | {"b": (-4, 3)})))  # a step beyond 127 / 32
    assert scales(after) == [1 / 32] * 3


@pytest.mark.parametrize("force", [False, True])
def test_what_would_be_cut_off_has_a_pair_of_its_own(force: bool) -> None:  # noqa: FBT001
    program = joined(trained(1 / 64), plain())
    found = given(program, **(UNIT | {"b": (-102, 90), "z": (-102, 90)}))
    result = run(program, calibration=found, overrides=({"op": "z", "force": force},))
    assert reasons(result)["z"] == (
        "other-scale",
        "'b' reaches from -102 to 90, and the scale that the program has already for others ends at -1.984 and 1.984",
    )
    assert scales(result.program) == [1 / 64, half(102 / 127), half(102 / 127)]
    assert find_op(result.program, "float").x.op.op_type == "concat"


def test_outputs_stay_near_where_inputs_are_of_different_sizes() -> None:
    program = joined(trained(0.02), plain(factor=40))
    random = np.random.default_rng(0)
    samples = [{"x": random.uniform(-1, 1, (1, 4, 6, 8)).astype(np.float16)} for _ in range(4)]
    after = inserted(program, calibration=measured(program, samples))
    expected, found = (Session(each).run(samples[0])["y"] for each in (program, after))
    assert decibels(expected, found) > 25


def test_negative_numbers_do_not_take_unsigned_codes() -> None:
    program = joined(trained(1 / 16, codes=np.uint8), plain())
    result = run(program, calibration=given(program, **(UNIT | {"b": (-5, 1)})))
    assert reasons(result)["z"][0] == "other-scale"
    assert scales(result.program)[:2] == [1 / 16, half(5 / 127)]


def test_constants_that_do_not_fit_stay_as_they_are() -> None:
    constant = np.full((1, 2, 6, 8), 7, np.float16)
    program = joined(trained(1 / 64), lambda _: mb.const(val=constant, name="c"))
    known = ({"tensor": "[xazy]", "low": -2.0, "high": 2.0},)
    result = run(program, ranges=known)
    assert reasons(result)["z"][0] == "other-scale"
    assert find_op(result.program, "z").values[1].op.op_type == "const"


def test_what_would_vanish_by_the_scale_that_is_there_does_not_take_it() -> None:
    program = joined(trained(0.5), plain())
    values, tensors = values_in(program.functions["main"]), {}
    for name in UNIT:
        elements = np.linspace(-1, 1, 1001) * (0.1 if name == "b" else 60)
        more = {"histogram": GridHistogram.of(elements), "elements": elements.size}
        tensors[name] = statistics_of(values[name], float(elements.min()), float(elements.max()), **more)
    result = run(program, calibration=statistics(tensors))
    assert reasons(result)["z"] == (
        "vanishing",
        "100% of the numbers in 'b' would become 0 under the scale that the program has already",
    )
    assert scales(result.program)[:2] == [0.5, half(0.1 / 127)]
    assert first_difference(inserted(result.program, calibration=statistics(tensors)), result.program) is None


def test_trained_values_of_several_scales_keep_them() -> None:
    """Without statistics, their codes tell what the output holds."""
    program = joined(trained(0.5), trained(2.0, "b"))
    result = run(program)
    assert scales(result.program) == [0.5, 2.0, 2.0]
    assert reasons(result)["z"] == ("other-scale", "the program has several scales already for what would share one")
    assert find_op(result.program, "float").x.op.op_type == "concat"
    assert scales(inserted(program, calibration=given(program, **UNIT))) == [0.5, 2.0, half(2 / 127)]


def test_trained_values_of_one_scale_lend_it_to_the_output() -> None:
    program = joined(trained(0.5), trained(0.5, "b"))
    after = inserted(program)
    assert scales(after) == [0.5] * 3
    assert find_op(after, "float").x.op.op_type == "dequantize"


def test_an_output_of_another_scale_shares_none() -> None:
    def body(x: Any) -> Any:
        together = mb.concat(values=[conv(x, "a"), conv(x, "b")], axis=1, name="z")
        return conv(pair(together, 1 / 64, "zd"), "y")

    program = build_program(body, IOS17, x=IMAGE)
    wide = given(program, **(UNIT | {"b": (-3, 3)}))
    assert scales(inserted(program, calibration=wide)) == [half(2 / 127), half(3 / 127), 1 / 64]
    fitting = given(program, **(UNIT | {"a": (-1, 1), "b": (-1, 1)}))
    assert scales(inserted(program, calibration=fitting)) == [1 / 64] * 3


PARTS: dict[str, list[Callable[[Any], Any]]] = {
    "fits": [trained(1 / 32), plain()],
    "cut off": [trained(1 / 128), plain()],
    "several": [trained(0.5), trained(2.0, "b")],
    "unsigned": [trained(1 / 16, codes=np.uint8), plain()],
    "affine": [trained(1 / 16, codes=np.uint8, zero_point=128), plain()],
    "of floats": [trained(1 / 32), lambda x: mb.exp(x=x, name="b")],
    "cut off, of floats": [trained(1 / 128), lambda x: mb.exp(x=x, name="b")],
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_a_second_run_changes_nothing(parts: list[Callable[[Any], Any]]) -> None:
    program = joined(*parts)
    found = given(program, **UNIT)
    once = inserted(program, calibration=found)
    assert first_difference(inserted(once, calibration=found), once) is None


def scheme(codes: str, zero_point: int = 0) -> Scheme:
    return Scheme(np.asarray(0.5, np.float16), np.asarray(zero_point, np.int32), None, codes)


@pytest.mark.parametrize(
    ("given_scheme", "low", "high", "symmetric"),
    [
        (scheme("int8"), -63.5, 63.5, True),
        (scheme("uint8"), 0, 127.5, False),
        (scheme("uint8", 128), -64, 63.5, True),
        (scheme("int8", -128), 0, 127.5, False),
        (scheme("int8", 28), -78, 49.5, False),
    ],
)
def test_a_scheme_has_codes_for_a_range(given_scheme: Scheme, low: float, high: float, symmetric: bool) -> None:  # noqa: FBT001
    assert extent(given_scheme) == Range(low, high)
    assert is_symmetric(given_scheme) is symmetric
    assert misfit(given_scheme, "v", Range(low - 0.5, high + 0.5)) is None
    assert misfit(given_scheme, "v", Range(low - 0.75, high)) is not None
    assert misfit(given_scheme, "v", Range(low, high + 0.75)) is not None


def head(x: Any, *, mid: bool = False) -> Any:
    """Boxes of hundreds and scores of one at most, together."""
    boxes, scores = conv(x, "a"), mb.sigmoid(x=conv(x, "b"), name="s")
    together = mb.concat(values=[boxes, scores], axis=1, name="z")
    return (conv(together, "y"), mb.exp(x=together, name="float")) if mid else together


WIDE = {"x": (-1, 1), "a": (0, 640), "b": (-1, 1), "z": (0, 640), "y": (-1, 1)}
BESIDE_GREAT = (
    "many of the numbers in {!r} would become 0, being so small beside the greatest of all that it would share a scale "
    "with"
)


def test_small_values_of_which_a_range_was_measured_do_not_vanish_beside_great_ones() -> None:
    program = joined(plain("a"), plain())
    result = run(program, calibration=given(program, **WIDE))
    assert reasons(result)["z"] == ("vanishing", BESIDE_GREAT.format("b"))
    assert scales(result.program) == [half(640 / 127), half(1 / 127), half(640 / 127)]


def test_neither_do_those_that_an_op_limits() -> None:
    program = build_program(lambda x: head(x, mid=True), IOS17, x=IMAGE)
    result = run(program, calibration=given(program, **WIDE))
    assert reasons(result)["z"] == ("vanishing", BESIDE_GREAT.format("s"))
    assert scales(result.program) == [half(640 / 127), half(1 / 127), half(640 / 127)]


@pytest.mark.parametrize(("middle", "reason"), [(2, None), (1, "67% of the numbers in 'c' would become 0")])
def test_of_constants_all_numbers_are_known(middle: float, reason: str | None) -> None:
    """Of three numbers but 0, one is less than half a code, or two are."""
    constant = np.resize(np.array([0, 1, middle, 64], np.float16), (1, 4, 6, 8))
    program = joined(plain("a"), lambda _: mb.const(val=constant, name="c"))
    known = ({"tensor": "a", "low": 0.0, "high": 381.0}, {"tensor": "[xzy]", "low": -1.0, "high": 1.0})
    result = run(program, ranges=known, max_vanishing=0.5)
    found = reasons(result).get("z", ("", ""))[1]
    assert (not found) if reason is None else found.startswith(reason)
    assert find_op(result.program, "z").values[1].op.op_type == ("dequantize" if reason is None else "const")


def test_values_of_zeros_alone_share_any_scale() -> None:
    program = joined(plain("a"), plain())
    after = inserted(program, calibration=given(program, **(WIDE | {"b": (0, 0)})))
    assert scales(after) == [half(640 / 127)] * 3


def test_what_goes_only_to_outputs_is_put_together_in_floats() -> None:
    program = build_program(head, IOS17, x=IMAGE)
    known = {name: ends for name, ends in WIDE.items() if name != "y"}
    result = run(program, calibration=given(program, **known))
    codes = {each.op: each.code for each in result.remarks if each.kind == "analysis"}
    assert codes == {"z": "idle", "a": "output", "b": "output"}
    assert [each.op.op_type for each in find_op(result.program, "z").values] == ["conv", "sigmoid"]


def test_concats_on_the_way_to_outputs_widen_no_scale() -> None:
    def body(x: Any) -> Any:
        inner = mb.concat(values=[x, mb.exp(x=x, name="e")], axis=1, name="inner")
        return mb.concat(values=[conv(x, "a"), mb.transpose(x=inner, perm=[0, 1, 2, 3])], axis=1, name="z")

    program = build_program(body, IOS17, x=IMAGE)
    after = inserted(program, ranges=({"tensor": "x", "low": -1.0, "high": 1.0}, {"tensor": "*", "low": 0, "high": 9}))
    assert float(find_op(after, "a").x.op.scale.val) == half(1 / 127)
    assert find_op(after, "inner").values[0].op is None
    asked = inserted(program, outputs=True, ranges=({"tensor": "*", "low": -1.0, "high": 1.0},))
    assert find_op(asked, "inner").values[0].op.op_type == "dequantize"


def test_what_is_read_by_others_too_goes_to_outputs_as_it_was() -> None:
    def body(x: Any) -> Any:
        first = conv(x, "a")
        return mb.concat(values=[first, mb.exp(x=first)], axis=1, name="z"), conv(first, "y")

    after = inserted(build_program(body, IOS17, x=IMAGE), ranges=({"tensor": "*", "low": -1.0, "high": 1.0},))
    assert find_op(after, "z").values[0].op.op_type == "conv"
    assert find_op(after, "y").x.op.op_type == "dequantize"
