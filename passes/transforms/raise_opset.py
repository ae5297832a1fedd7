"""The pass `raise-opset`."""

from __future__ import annotations

from typing import Any

import attrs

from ...ir.targets import parse_target
from ..base import Outcome, Pass
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

        func main<ios16>(tensor<fp32, [10, 20]> x) {

    After, with `target=iOS18`:

        func main<ios18>(tensor<fp32, [10, 20]> x) {
    """

    target: str = option(str, help="the deployment target, such as iOS17 or macOS15", check=parse_target)

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
        """See the class."""
        from ...ir.upgrading import raise_opset

        return Outcome(changed=raise_opset(root, parse_target(self.target)))
