"""The pass `insert-quantize-dequantize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

import attrs

from ...ir.errors import OptionError, TargetError
from ...ir.targets import IOS17
from ..analysis.activations.choices import MODES, Choices, GivenRange, Mode, Override, check_observer
from ..base import UNCHANGED, Outcome, Pass
from ..context import PassContext
from ..kinds.statistics import StatisticsKind
from ..options import Option, option

if TYPE_CHECKING:
    from ..analysis.activations.decisions import ActivationPlan, Decision
    from ..analysis.calibration.statistics import CalibrationStatistics


def _is_statistics(value: Any) -> bool:
    from ..analysis.calibration.statistics import CalibrationStatistics

    return isinstance(value, CalibrationStatistics)


@attrs.frozen(kw_only=True)
class InsertQuantizeDequantize(Pass):
    """Quantizes activations to 8 bits, around the ops that the Neural Engine computes with them.

    Rules:
        1. `quantize` and `dequantize` are put in front of and behind conv, conv_transpose, linear, matmul, einsum, add,
           sub and mul of two activations, concat, avg_pool and max_pool (`QUANTIZED_OPS`): each value has one scale,
           and one pair however many of these ops take it. What else takes a value reads it as it was. Attention is
           quantized where it is written out as matmul, softmax and matmul; as one op it is computed in floats.
        2. The pair of an op's result stands behind its activation (relu, gelu, silu ..., also written out in several
           ops), and everything reads the result through it.
        3. Values that ops only move, repeat or leave out share a scale (`CARRIERS`), and so do the inputs and the
           output of a concat, and what a relu takes through a pair and what it makes of that. What was moved alone
           from a pair gets no second one; `canonicalize` then moves codes. Behind max_pool, pad, upsampling and relu,
           which take no codes, another pair of the same scale stands, so that what follows finds one in front.
        4. The range is what the op gives by itself (sigmoid, tanh, relu6, sin ...), else what was measured, within the
           limits of the op (0 for relu). It is one for all values that share a scale: the least that holds those of
           all. A softmax is the exception: [0, 1] is its limit, and its range where nothing was measured, because of
           many numbers that sum to 1 most are nearer to 0 than to the first code.
        5. Symmetric codes have the scale `max(|low|, |high|) / 127`, unsigned ones `high / 255`, affine ones
           `(high - low) / 255` for the range widened to 0. The scale has the tensor's type: fp16 or fp32.
        6. `quantize` and `dequantize` of the program stay, with their scales, which are those of all values that share
           them; only what lacks a pair gets one. What ran before changes nothing. A concat shares no scale where its
           inputs have several already, or where one would be cut off by that of the others: it stays float, with a
           remark, and each has its own.
        7. Left alone, each with a remark: ops with an input whose range is not known or that held infinities, add, sub
           and mul with a constant, computed weights of conv, concats that no other such op reads (only outputs do, or
           softmax), with what goes nowhere else, what overrides skip; and, unless an override forces them, ops that
           take or make a value of which more than `max-vanishing` of the numbers would become 0 (by the scale of a
           concat too: numbers of which only the range is known are taken to be spread evenly over it), and squares
           and sums of squares on their way to a root or logarithm. Results stay float, with a remark, that only
           softmax, norms or attention read, that are outputs (unless `outputs`) or go to a state, or behind which a
           batch_norm or the like stands that another pass would fuse.
        8. Refused: targets before iOS 17, which lack both ops, and statistics in which fewer than half of the values
           are found that they are needed for.

    Before:

        func main<ios17>(tensor<fp16, [2, 3]> x, tensor<fp16, [3, 4]> y) {
            tensor<fp16, [2, 3]> p = softmax(axis = int32(-1), x = x);
            tensor<fp16, [3, 4]> t = tanh(x = y);
            tensor<fp16, [2, 4]> z = matmul(x = p, y = t);
        } -> (z);

    After:

        func main<ios17>(tensor<fp16, [2, 3]> x, tensor<fp16, [3, 4]> y) {
            tensor<fp16, [2, 3]> p = softmax(axis = int32(-1), x = x);
            tensor<int8, [2, 3]> p_quantize_0 =
                quantize(input = p, output_dtype = string("int8"), scale = fp16(0x1.02p-7));
            tensor<fp16, [2, 3]> p_dequantize_0 = dequantize(input = p_quantize_0, scale = fp16(0x1.02p-7));
            tensor<fp16, [3, 4]> t = tanh(x = y);
            tensor<int8, [3, 4]> t_quantize_0 =
                quantize(input = t, output_dtype = string("int8"), scale = fp16(0x1.02p-7));
            tensor<fp16, [3, 4]> t_dequantize_0 = dequantize(input = t_quantize_0, scale = fp16(0x1.02p-7));
            tensor<fp16, [2, 4]> z = matmul(x = p_dequantize_0, y = t_dequantize_0);
        } -> (z);

    Before:

        func main<ios17>(tensor<fp16, [2, 3]> x) {
            tensor<fp16, [2, 3]> s = sin(x = x);
            tensor<fp16, [2, 3]> a = add(x = s, y = x);
            tensor<fp16, [2, 3]> r = relu(x = a);
            tensor<fp16, [3, 2]> t = transpose(perm = tensor<int32, [2]>([1, 0]), x = r);
            tensor<fp16, [3, 3]> y = matmul(x = t, y = s);
        } -> (y);

    After, with `activation-mode=unsigned-after-relu ranges={tensor=x low=-2 high=1},{tensor=r low=0 high=4}`:

        func main<ios17>(tensor<fp16, [2, 3]> x) {
            tensor<int8, [2, 3]> x_quantize_0 =
                quantize(input = x, output_dtype = string("int8"), scale = fp16(0x1.02p-6));
            tensor<fp16, [2, 3]> x_dequantize_0 = dequantize(input = x_quantize_0, scale = fp16(0x1.02p-6));
            tensor<fp16, [2, 3]> s = sin(x = x);
            tensor<int8, [2, 3]> s_quantize_0 =
                quantize(input = s, output_dtype = string("int8"), scale = fp16(0x1.02p-7));
            tensor<fp16, [2, 3]> s_dequantize_0 = dequantize(input = s_quantize_0, scale = fp16(0x1.02p-7));
            tensor<fp16, [2, 3]> a = add(x = s_dequantize_0, y = x_dequantize_0);
            tensor<fp16, [2, 3]> r = relu(x = a);
            tensor<uint8, [2, 3]> r_quantize_0 =
                quantize(input = r, output_dtype = string("uint8"), scale = fp16(0x1.01p-6));
            tensor<fp16, [2, 3]> r_dequantize_0 = dequantize(input = r_quantize_0, scale = fp16(0x1.01p-6));
            tensor<fp16, [3, 2]> t = transpose(perm = tensor<int32, [2]>([1, 0]), x = r_dequantize_0);
            tensor<fp16, [3, 3]> y = matmul(x = t, y = s_dequantize_0);
        } -> (y);
    """

    targets = "iOS17 and later"
    statistics: ClassVar[Mapping[str, str]] = {
        "pairs": "pairs that it inserted",
        "reused": "values that take a pair that was there",
        "ops": "ops that take quantized activations",
        "left-alone": "ops that it left alone",
    }

    calibration: Any = Option(
        StatisticsKind(_is_statistics), "", "calibration statistics: a path, or in Python the statistics"
    ).field()
    activation_mode: str = option("symmetric", help="how codes lie around zero", choices=MODES)
    dtype: str = option("int8", help="the type of the codes, where they are not unsigned", choices=("int8", "uint8"))
    observer: str = option("", help="what decides on ranges, if not the statistics' own", check=check_observer)
    fixed_ranges: bool = option(
        default=True, help="use ranges that ops give by themselves; false: measured within them"
    )
    max_vanishing: float = option(
        0.33, help="the greatest share of numbers but 0 that may become 0; 1 for any", minimum=0
    )
    outputs: bool = option(default=False, help="quantize the outputs of functions too")
    overrides: tuple[Override, ...] = option((), of=Override, help="what is different for some ops; the first holds")
    ranges: tuple[GivenRange, ...] = option((), of=GivenRange, help="ranges that need no statistics")

    def run(self, root: Any, context: PassContext) -> Outcome:
        """See the class."""
        from ...ir.pymil import opset_of
        from ...ir.pymil_editing import settle
        from ..analysis.activations.plan import plan_activations
        from ..pairs import insert_pair

        opset = opset_of(root)
        if opset < IOS17:
            hint = "choose the target iOS17 or later: raise-opset{target=iOS17} in front of it"
            raise TargetError(f"{opset} has no ops for quantized activations", hint=hint)
        plan = plan_activations(root, self._loaded(root), self._choices)
        _explain(plan, context)
        done = [decision for decision in plan.pairs if context.admits("insert-pair", decision.subject)]
        first = {decision.block: next(iter(decision.block.operations), None) for decision in done}
        for decision in done:
            _tell(decision, context)
            insert_pair(decision, first[decision.block])
            context.count("reused" if decision.twin is not None else "pairs")
        if not done:
            return UNCHANGED
        settle(root)
        return Outcome(changed=True)

    @property
    def _choices(self) -> Choices:
        return Choices(
            mode=cast("Mode", self.activation_mode),
            dtype=self.dtype,
            observer=self.observer,
            fixed_ranges=self.fixed_ranges,
            max_vanishing=self.max_vanishing,
            outputs=self.outputs,
            overrides=self.overrides,
            ranges=self.ranges,
        )

    def _loaded(self, program: Any) -> CalibrationStatistics | None:
        """The statistics; they need not be of the program as it is, for other passes may have run before."""
        from ..analysis.calibration.statistics import CalibrationStatistics

        if not self.calibration:
            return None
        is_path = isinstance(self.calibration, str)
        found: CalibrationStatistics = CalibrationStatistics.load(self.calibration) if is_path else self.calibration
        if not set(found.functions) & set(program.functions):
            names = ", ".join(found.functions) or "none"
            raise OptionError(f"the statistics are of other functions: {names}", hint="calibrate this model")
        return found


def _explain(plan: ActivationPlan, context: PassContext) -> None:
    """Says what is left alone, and refuses statistics of another program."""
    from ..analysis.activations.decisions import refusals_of

    if plan.known * 2 < plan.asked and plan.is_measured:
        message = f"the statistics have {plan.known} of the {plan.asked} values that they are needed for"
        raise OptionError(message, hint="calibrate this model, as it is in front of this pass")
    for decision in plan.ops:
        context.count("ops" if decision.refusal is None else "left-alone")
    for operation, refusal in refusals_of(plan):
        more = {"suggestion": refusal.suggestion, "source": refusal.source}
        context.remark(refusal.kind, operation, refusal.code, refusal.message, **more)


def _tell(decision: Decision, context: PassContext) -> None:
    scheme, readers = decision.scheme, ", ".join(dict.fromkeys(each.op_type for each in decision.readers))
    point = f", zero point {int(scheme.zero_point)}" if scheme.zero_point else ""
    what = "takes the pair that is there" if decision.twin is not None else "gets a pair"
    context.remark(
        "passed",
        decision.subject,
        "pair",
        f"{decision.tensor.name!r} {what}: {scheme.codes}, scale {float(scheme.scale):.4g}{point}, for {readers}",
        data={
            "tensor": decision.tensor.name,
            "scale": float(scheme.scale),
            "zero_point": int(scheme.zero_point),
            "dtype": scheme.codes,
            "range": None if decision.range is None else [decision.range.low, decision.range.high],
            "range_source": decision.words,
            "group": decision.group,
            "readers": [each.name for each in decision.readers],
        },
    )
