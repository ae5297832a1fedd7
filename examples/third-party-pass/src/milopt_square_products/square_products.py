"""The pass `square-products`."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs
from milopt.ir.rewriting.rules import rule
from milopt.passes.base import Anchor, Outcome, Pass
from milopt.passes.context import PassContext
from milopt.passes.options import option

_PRODUCTS = rule("mul(x, x) -> square(x)", name="square-products")
_POWERS = rule("pow(x, 2) -> square(x)", name="square-powers")


@attrs.frozen(kw_only=True)
class SquareProducts(Pass):
    """Writes products of a value with itself as `square`.

    Rules:
        1. `mul` of a value with itself becomes `square`.
        2. With `powers`, `pow` with the exponent 2 does as well.

    Before:

        func main<ios16>(tensor<fp16, [10, 20]> x) {
            tensor<fp16, [10, 20]> y = mul(x = x, y = x)[name = string("y")];
        } -> (y);

    After:

        func main<ios16>(tensor<fp16, [10, 20]> x) {
            tensor<fp16, [10, 20]> y = square(x = x)[name = string("y")];
        } -> (y);
    """

    anchor: ClassVar[Anchor] = "function"

    powers: bool = option(True, help="also `pow` with the exponent 2")  # noqa: FBT003 - a default

    def run(self, root: Any, context: PassContext) -> Outcome:
        """See the class."""
        rules = (_PRODUCTS, _POWERS) if self.powers else (_PRODUCTS,)
        return Outcome(changed=context.rewrite(root, rules).changed)
