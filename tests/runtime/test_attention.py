from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS18
from support.running import inferred, run


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def close(given: np.ndarray, expected: np.ndarray) -> None:
    assert given.shape == expected.shape
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


def attention(query: Any, key: Any, value: Any) -> Any:
    return mb.scaled_dot_product_attention(query=query, key=key, value=value)


def masked_attention(query: Any, key: Any, value: Any, mask: Any) -> Any:
    return mb.scaled_dot_product_attention(query=query, key=key, value=value, attn_mask=mask)


MASKS = {
    "forbidding": np.random.default_rng(0).random((4, 6)) < 0.7,
    "of keys": np.array([[True, False, True, True, False, True]]),
    "added": floats(3, 4, 6),
    "half": floats(1, 6).astype(np.float16),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("batch", [(3,), (2, 3)], ids=["rank 3", "rank 4"])
@pytest.mark.parametrize("symbolic", [False, True])
def test_queries_find_their_keys(mask: str, batch: tuple[int, ...], *, symbolic: bool) -> None:
    inputs = {"query": floats(*batch, 4, 5), "key": floats(*batch, 6, 5), "value": floats(*batch, 6, 7)}

    plain = run(attention, IOS18, symbolic=symbolic, **inputs)[0]
    masked = run(masked_attention, IOS18, symbolic=symbolic, **inputs, mask=MASKS[mask])[0]

    close(plain, inferred(attention, IOS18, **inputs)[0])
    close(masked, inferred(masked_attention, IOS18, **inputs, mask=MASKS[mask])[0])


def test_a_forbidden_key_has_no_weight_at_all() -> None:
    query, key, value = np.float32([[[1, 0]]]), np.float32([[[1, 0], [900, 0]]]), np.float32([[[1], [2]]])

    (y,) = run(masked_attention, IOS18, query=query, key=key, value=value, mask=np.array([[True, False]]))

    np.testing.assert_array_equal(y, [[[1]]])


def test_scores_of_halves_do_not_overflow() -> None:
    inputs = {name: np.full((1, 2, 64), 40, np.float16) for name in ("query", "key", "value")}

    (y,) = run(attention, IOS18, **inputs)

    np.testing.assert_array_equal(y, inputs["value"])
