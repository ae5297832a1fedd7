from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS16, IOS17, IOS18, Opset
from milopt.runtime.lower import lower_function
from support.running import inferred, program_of, run

X = np.arange(30, dtype=np.float32).reshape(2, 3, 5)
DEEP = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("axis", [-3, -2, 1, 2])
@pytest.mark.parametrize("indices", [np.int32([1, 0, -1, 1]), np.int32([[0, -2, 1]]), np.zeros((0, 2), np.int32)])
def test_gather_reads_slices_along_any_axis(axis: int, indices: np.ndarray, *, symbolic: bool) -> None:
    (y,) = run(lambda x, i: mb.gather(x=x, indices=i, axis=axis), x=X, i=indices, symbolic=symbolic)

    np.testing.assert_array_equal(y, np.take(X, indices, axis))


@pytest.mark.parametrize("opset", [IOS15, IOS17])
@pytest.mark.parametrize("index", [0, 2, -1])
def test_gather_of_a_single_index_drops_the_axis(index: int, opset: Opset) -> None:
    def body(x: Any) -> Any:
        return mb.gather(x=x, indices=np.int32(index), axis=1)

    np.testing.assert_array_equal(run(body, opset, x=X)[0], X[:, index])


@pytest.mark.parametrize(
    ("axis", "batch", "shape"),
    [(1, 1, (2, 6)), (3, 1, (2, 6)), (-2, 1, (2,)), (2, 2, (2, 3, 2)), (3, 2, (2, 3)), (3, 3, (2, 3, 4, 2))],
)
@pytest.mark.parametrize("symbolic", [False, True])
def test_batches_of_indices_read_from_their_own_batch(
    axis: int, batch: int, shape: tuple[int, ...], *, symbolic: bool
) -> None:
    indices = np.random.default_rng(0).integers(-2, 2, shape).astype(np.int16)

    def body(x: Any, i: Any) -> Any:
        return mb.gather(x=x, indices=i, axis=axis, batch_dims=batch)

    (y,) = run(body, IOS16, x=DEEP, i=indices, symbolic=symbolic)

    # NumPy's own indexing reads batches where the axes before `axis` are spelled out.
    grids = np.indices(shape[:batch] + (1,) * (len(shape) - batch), sparse=True)[:batch]
    expected = np.moveaxis(DEEP, axis, batch)[(*grids, indices)]
    expected = np.moveaxis(expected, range(batch, len(shape)), range(axis % 4, axis % 4 + len(shape) - batch))
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather_along_axis_reads_one_element_for_each_index(axis: int, *, symbolic: bool) -> None:
    shape = [2, 3, 5]
    shape[axis] = 4
    indices = np.random.default_rng(0).integers(-2, 2, shape).astype(np.int32)

    (y,) = run(lambda x, i: mb.gather_along_axis(x=x, indices=i, axis=axis), x=X, i=indices, symbolic=symbolic)

    np.testing.assert_array_equal(y, np.take_along_axis(X, indices, axis))


@pytest.mark.parametrize("shape", [(3,), (4, 1), (2, 3, 2), (0, 2)])
def test_gather_nd_reads_slices_at_coordinates(shape: tuple[int, ...]) -> None:
    indices = np.random.default_rng(0).integers(-2, 2, shape).astype(np.int32)

    (y,) = run(lambda x, i: mb.gather_nd(x=x, indices=i), x=X, i=indices)

    np.testing.assert_array_equal(y, X[tuple(np.moveaxis(indices, -1, 0))])


def test_gather_nd_reads_behind_batch_axes() -> None:
    indices = np.uint16([[[1, 3], [2, 0], [0, 0], [1, 1]], [[0, 4], [2, 2], [1, 0], [0, 1]]])

    (y,) = run(lambda x, i: mb.gather_nd(x=x, indices=i, batch_dims=1), IOS16, x=X, i=indices)

    np.testing.assert_array_equal(y, [x[tuple(np.moveaxis(i, -1, 0))] for x, i in zip(X, indices, strict=True)])


OPS: dict[str, Callable[..., Any]] = {
    "gather": lambda x, i, **more: mb.gather(x=x, indices=i, axis=1, **more),
    "gather_along_axis": lambda x, i, **more: mb.gather_along_axis(x=x, indices=i, axis=1, **more),
    "gather_nd": lambda x, i, **more: mb.gather_nd(x=x, indices=i, **more),
}


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "int16", "uint16", "int32"])
def test_every_pair_of_types_since_ios17(op: str, dtype: str) -> None:
    x = np.arange(6).reshape(2, 3).astype(dtype)
    indices = [np.asarray([[1, 0], [0, 1]], name) for name in ("int8", "uint8", "int16", "uint16", "int32")]

    def body(x: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:  # noqa: PLR0917 - PyMIL goes by these names
        return [OPS[op](x, i) for i in (a, b, c, d, e)]

    expected = {"gather": x[:, [[1, 0], [0, 1]]], "gather_along_axis": [[1, 0], [3, 4]], "gather_nd": [3, 1]}
    for y in run(body, IOS17, x=x, **dict(zip("abcde", indices, strict=True))):
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, expected[op])


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("opset", [IOS15, IOS17])
def test_a_computed_index_out_of_range_fails_the_run(op: str, opset: Opset) -> None:
    with pytest.raises(RunError, match="run failed"):
        run(OPS[op], opset, x=X[0], i=np.int32([[0, 0], [5, 1], [0, 0]]))


@pytest.mark.parametrize("op", OPS)
def test_a_constant_index_out_of_range_is_refused(op: str) -> None:
    indices = np.int32([[0, 0], [-6, 1], [0, 0]])
    program = program_of(lambda x: OPS[op](x, indices), IOS15, {"x": X[0]}, symbolic=False)

    with pytest.raises(RunError, match=f"can not run '{op}': an index is out of range"):
        lower_function(program.functions["main"])


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("symbolic", [False, True])
def test_validated_indices_may_not_be_negative(op: str, *, symbolic: bool) -> None:
    symbolic = symbolic and op != "gather_nd"  # which needs to know how many coordinates there are

    def body(x: Any, i: Any) -> Any:
        return OPS[op](x, i, validate_indices=True)

    (y,) = run(body, IOS18, x=X[0], i=np.int32([[0, 1], [2, 2], [1, 0]]), symbolic=symbolic)
    assert y.size

    with pytest.raises(RunError, match="run failed"):
        run(body, IOS18, x=X[0], i=np.int32([[0, 1], [2, -1], [1, 0]]), symbolic=symbolic)


def test_a_validated_single_index_may_not_be_negative() -> None:
    def body(x: Any, i: Any) -> Any:
        index = mb.squeeze(x=i, axes=[0])
        return mb.gather(x=x, indices=index, axis=1, validate_indices=True)

    np.testing.assert_array_equal(run(body, IOS17, x=X, i=np.int32([2]))[0], X[:, 2])
    with pytest.raises(RunError, match="run failed"):
        run(body, IOS17, x=X, i=np.int32([-1]))


def test_values_agree_with_pymils_inference() -> None:
    def body(x: Any, i: Any) -> Any:
        return mb.gather(x=x, indices=i, axis=2, batch_dims=1)

    arrays = {"x": X, "i": np.int32([[4, 0], [2, 3]])}

    np.testing.assert_array_equal(run(body, IOS16, **arrays)[0], inferred(body, IOS16, **arrays)[0])


@pytest.mark.parametrize("opset", [IOS15, IOS17])
def test_a_lookup_is_one_node(opset: Opset) -> None:
    def body(i: Any) -> Any:
        return mb.gather(x=np.float16([[1, 2], [3, 4]]), indices=i, axis=0)

    program = program_of(body, opset, {"i": np.int32([1, 0, 1])}, symbolic=True)
    lowered = lower_function(program.functions["main"], "float16")

    assert [node.op_type for node in lowered.graph.main.nodes] == ["Gather"]
