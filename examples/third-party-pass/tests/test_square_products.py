"""The pass is found by its name, does what it says, and leaves the outputs as they were."""

from __future__ import annotations

import milopt
import numpy as np
import pytest
from milopt.passes.instrumentation.numeric_check import NumericCheck
from milopt.passes.instrumentation.verify_each import VerifyEach

PROGRAM = """
program(1.3) {
    func main<ios16>(tensor<fp32, [10, 20]> x) {
        tensor<fp32, [10, 20]> product = mul(x = x, y = x)[name = string("product")];
        tensor<fp32, [10, 20]> power = pow(x = product, y = fp32(0x1p+1))[name = string("power")];
        tensor<fp32, [10, 20]> y = mul(x = power, y = x)[name = string("y")];
    } -> (y);
}
"""


@pytest.mark.parametrize(
    ("element", "ops"),
    [
        ("square-products", ["square", "square", "mul"]),
        ("square-products{powers=false}", ["square", "pow", "mul"]),
    ],
)
def test_products_become_squares(element: str, ops: list[str]) -> None:
    pipeline = milopt.parse_pipeline(f"program(function({element}))")
    around = (VerifyEach(), NumericCheck(min_sqnr=100))
    result = milopt.PassManager(pipeline, around).run(milopt.parse_program(PROGRAM))
    operations = result.program.functions["main"].operations
    np.testing.assert_equal([each.op_type for each in operations if each.op_type != "const"], ops)


def test_wrong_option_is_refused() -> None:
    with pytest.raises(milopt.MiloptError, match="option 'powers': takes true or false, not 'perhaps'"):
        milopt.parse_pipeline("program(function(square-products{powers=perhaps}))")


def test_outputs_are_those_of_the_program() -> None:
    x = np.linspace(-1, 1, 200, dtype=np.float32).reshape(10, 20)
    program = milopt.parse_program(PROGRAM)
    result = milopt.PassManager(milopt.parse_pipeline("program(function(square-products))")).run(program).program
    np.testing.assert_allclose(milopt.Session(result).run({"x": x})["y"], x**5, rtol=1e-5)
