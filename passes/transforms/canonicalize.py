"""The pass `canonicalize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from ..base import Outcome, Pass
from ..canonicalization.families import FAMILIES, RULES, check_names, patterns
from ..context import PassContext
from ..options import option


@attrs.frozen(kw_only=True)
class Canonicalize(Pass):
    """Removes what computes nothing, and brings quantized programs into one form.

    Rules:
        1. `identities`: ops that give what they take go (`identity`, `mul` by 1, `reshape` to the own shape, slices of
           all ...), and pairs of `transpose`, `squeeze` and `expand_dims` that are one. Adding +0.0 stays, because it
           changes -0.0.
        2. `casts`: casts to the own type, and through types that hold every value (fp16 to fp32 to fp16), go; fp32 to
           fp16 to fp32 stays.
        3. `constants`: `quantize` and small `dequantize` ops of constants are folded where no rounding is in doubt.
        4. `quantize`: `quantize` undoes a `dequantize` of the same parameters, unless a number overflows; duplicates
           are one; zero points of 0 and vectors of equal scales become nothing and scalars; int8 around -128 becomes
           uint8 around 0, if all users are `dequantize` ops around -128, and uint8 around 128 likewise int8.
        5. `scales`: multiplications and divisions by a power of two go into the scale of the `dequantize` in front or
           the `quantize` behind, additions of whole steps into the zero point of the `dequantize`. Left alone, with a
           remark: factors that are not positive, scales that would leave the normal numbers of their type.
        6. `movement`: `transpose`, `reshape`, `expand_dims`, `squeeze` and slices move codes, not numbers: they go in
           front of `dequantize` and, but for slices, behind `quantize`, if nothing else uses what is between and the
           axis of the scales survives; a remark tells why not.
        7. All this changes no bit of any result. With `exact=false` any positive factor goes into a scale, which is
           rounded once (numbers move by at most one part in 512 if fp16, in 2**22 if fp32; codes by one, on borders),
           and adding +0.0 goes.
        8. Repeated until nothing fits; what nobody uses any more goes. The statistics are the patterns, each with its
           algebra; `without` leaves out those that it names.

    Before:

        func main<ios17>(tensor<int8, [10, 20]> q) {
            tensor<fp16, [10, 20]> x = dequantize(input = q, scale = fp16(0x1p-3));
            tensor<fp16, [20, 10]> t = transpose(perm = tensor<int32, [2]>([1, 0]), x = x);
            tensor<fp16, [20, 10]> half = mul(x = t, y = fp16(0x1p-1));
            tensor<int8, [20, 10]> y = quantize(input = half, output_dtype = string("int8"), scale = fp16(0x1p-4));
        } -> (y);

    After:

        func main<ios17>(tensor<int8, [10, 20]> q) {
            tensor<int32, [2]> t_perm_0 = const()[name = string("t_perm_0"), val = tensor<int32, [2]>([1, 0])];
            tensor<int8, [20, 10]> y = transpose(perm = t_perm_0, x = q)[name = string("transpose_0")];
        } -> (y);
    """

    anchor = "function"
    statistics: ClassVar[Mapping[str, str]] = RULES

    families: tuple[str, ...] = option(FAMILIES, choices=FAMILIES, help="the families of patterns to apply")
    without: tuple[str, ...] = option((), of=str, check=check_names, help="patterns to leave out, by name")
    exact: bool = option(default=True, help="only what changes no bit of any result")

    def run(self, root: Any, context: PassContext) -> Outcome:
        """See the class."""
        chosen = patterns(self.families, exact=self.exact, without=self.without)
        return Outcome(changed=context.rewrite(root, chosen).changed)
