from __future__ import annotations

import numpy as np
from milopt.ir.pymil import mb
from support.running import inferred, run


def test_comparison_of_broadcast_operands() -> None:
    x, y = np.arange(6, dtype=np.float32).reshape(2, 3), np.float32([[1], [4]])

    (less,) = run(lambda x, y: mb.less(x=x, y=y), x=x, y=y, symbolic=True)

    np.testing.assert_array_equal(less, x < y)


def test_floor_division_rounds_down() -> None:
    x, y = np.int32([-7, 7, -8]), np.int32([2, -2, 4])

    (quotient,) = run(lambda x, y: mb.floor_div(x=x, y=y), x=x, y=y)

    np.testing.assert_array_equal(quotient, inferred(lambda x, y: mb.floor_div(x=x, y=y), x=x, y=y)[0])
