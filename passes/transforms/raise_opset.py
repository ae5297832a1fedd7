"""The pass `raise-opset`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from ...ir.targets import parse_target
from ..base import UNCHANGED, Outcome, Pass
from ..context import PassContext
from ..options import option


@attrs.frozen(kw_only=True)
class RaiseOpset(Pass):
    """Raises a program to the opset of a deployment target.

    Rules:
        1. Every function and nested block is rebuilt with the ops of the target's opset; constants are shared.
        2. `constexpr_lut_to_dense` and `constexpr_sparse_to_dense` of iOS 16 are re-encoded for iOS 18, exactly.
        3. A program of that opset is left alone.
        4. Refused: lowering, and `crop_resize` or `non_maximum_suppression` past iOS 17, whose meaning changed.

    Before:

        func main<ios16>(tensor<fp16, [2, 2]> x) {
            tensor<fp16, [2, 2]> w = constexpr_lut_to_dense()[indices = tensor<uint8, [1]>([0x1b]),
                lut = tensor<fp16, [4]>([0, 1, 2, 3]), shape = tensor<uint32, [2]>([2, 2])];
            tensor<fp16, [2, 2]> y = linear(bias = tensor<fp16, [2]>([1, 2]), weight = w, x = x);
        } -> (y);

    After, with `target=iOS18`:

        func main<ios18>(tensor<fp16, [2, 2]> x) {
            tensor<fp16, [2, 2]> w = constexpr_lut_to_dense(indices = tensor<uint2, [2, 2]>([[3, 2], [1, 0]]),
                lut = tensor<fp16, [1, 1, 4, 1]>([[[[0], [1], [2], [3]]]]));
            tensor<fp16, [2, 2]> y = linear(bias = tensor<fp16, [2]>([1, 2]), weight = w, x = x);
        } -> (y);
    """

    statistics: ClassVar[Mapping[str, str]] = {"functions": "functions that it rebuilt"}

    target: str = option(str, help="the deployment target, such as iOS17 or macOS15", check=parse_target)

    def run(self, root: Any, context: PassContext) -> Outcome:
        """See the class."""
        from ...ir.pymil import opset_of
        from ...ir.upgrading import raise_opset

        target = parse_target(self.target)
        if opset_of(root) == target or not context.admits(self.pass_name()):
            return UNCHANGED
        changed = raise_opset(root, target)
        context.count("functions", len(root.functions) if changed else 0)
        return Outcome(changed=changed)
