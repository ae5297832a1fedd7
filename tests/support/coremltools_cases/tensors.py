"""Cases of passes on ops that move elements: stacks, concatenations, slices, one-hot vectors, gathers."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17

from ..program_registry import fp32, int32
from .record import case, constants, named, raises, scalar, wrong_numbers, wrong_shape


@case("fuse_squeeze_expand_dims", x=fp32(1, 1, 3))
def squeezed_and_expanded(x: Any) -> Any:
    return mb.sin(x=mb.expand_dims(x=mb.squeeze(x=mb.cos(x=x), axes=[0]), axes=[1]))


# --- expand_high_rank_reshape_and_transpose

_HIGH_RANKS = {
    "rank_6": ([0, 3, 1, 4, 2, 5], (2, 3, 4, 5, 2, 3), None),
    "rank_7": ([6, 3, 1, 4, 2, 5, 0], (2, 3, 2, 2, 2, 3, 2), None),
    "rank_6_in_two_groups": ([3, 4, 5, 0, 1, 2], (2, 3, 4, 5, 2, 3), None),
    "rank_6_with_ones": ([1, 3, 0, 4, 2, 5], (1, 3, 4, 1, 2, 1), None),
    "rank_6_axis_from_the_end": ([0, 3, 1, -2, 2, 5], (2, 3, 4, 5, 2, 3),
                                 wrong_numbers("an axis that is counted from the end")),
}  # fmt: skip


def _add_high_rank(name: str) -> None:
    axes, shape, fails = _HIGH_RANKS[name]

    def body(x: Any) -> Any:
        return mb.reshape(x=mb.transpose(x=mb.reshape(x=x, shape=shape), perm=axes), shape=[-1, 3])

    size = int(np.prod(shape))
    case("expand_high_rank_reshape_and_transpose", x=fp32(size), fails=fails)(named(body, name))


for _name in _HIGH_RANKS:
    _add_high_rank(_name)


# --- concat_to_pixel_shuffle, detect_concat_interleave

_QUARTERS = {name: fp32(1, 3, 4, 5) for name in "abcd"}


def _rows(first: Any, second: Any) -> Any:
    return mb.concat(values=[first, second], axis=2, interleave=True)


@case("concat_to_pixel_shuffle", **_QUARTERS)
def pixels_shuffled(a: Any, b: Any, c: Any, d: Any) -> Any:
    return mb.concat(values=[_rows(a, b), _rows(c, d)], axis=3, interleave=True)


@case("concat_to_pixel_shuffle", **_QUARTERS, fails=raises("another op uses the interleaved rows, too"))
def pixels_shuffled_rows_used_twice(a: Any, b: Any, c: Any, d: Any) -> Any:
    rows = _rows(a, b)
    return mb.concat(values=[rows, _rows(c, d)], axis=3, interleave=True), mb.sin(x=rows)


@case("detect_concat_interleave", a=fp32(2, 3, 4, 5), b=fp32(2, 3, 4, 5))
def interleaved(a: Any, b: Any) -> Any:
    split = mb.reshape(x=mb.concat(values=[a, b], axis=1), shape=[2, 2, 3, 4, 5])
    return mb.reshape(x=mb.transpose(x=split, perm=[0, 2, 1, 3, 4]), shape=[2, 6, 4, 5])


# --- fuse_onehot_matmul_to_gather

_MIDDLE = "the one-hot axis is the last but one"


def _looked_up(indices: Any, size: int, axis: int) -> Any:
    vectors = mb.one_hot(indices=indices, one_hot_vector_size=size, axis=axis, on_value=scalar(1), off_value=scalar(0))
    return mb.matmul(x=vectors, y=constants(5, 7))


@case("fuse_onehot_matmul_to_gather", i=int32(2, 3))
def one_hot_times_table(i: Any) -> Any:
    return _looked_up(i, 5, -1)


@case("fuse_onehot_matmul_to_gather", i=int32(2, 5), fails=wrong_shape(_MIDDLE))
def one_hot_in_the_middle(i: Any) -> Any:
    return _looked_up(i, 3, 1)


@case("fuse_onehot_matmul_to_gather", i=int32(5, 5), fails=wrong_numbers(f"{_MIDDLE}, as long as the last"))
def one_hot_in_the_middle_square(i: Any) -> Any:
    return _looked_up(i, 5, 1)


@case("fuse_onehot_matmul_to_gather", IOS17, i=int32(2, 3), given={"i": [[0, -1, 2], [4, 3, -2]]},
      fails=wrong_numbers("negative indices: zeros before, rows from the end after"))  # fmt: skip
def one_hot_of_negative(i: Any) -> Any:
    return _looked_up(i, 5, -1)


# --- guard_negative_gather_indices


@case("guard_negative_gather_indices", IOS17, x=fp32(6, 4), i=int32(3), given={"i": [-1, 2, -6]})
def negative_indices(x: Any, i: Any) -> Any:
    return mb.gather(x=x, indices=i, axis=-2)


@case("guard_negative_gather_indices", IOS17, x=fp32(6, 4), i=int32(3, 2), given={"i": [[-1, 2], [0, -1], [-6, -4]]})
def negative_indices_of_several_axes(x: Any, i: Any) -> Any:
    return mb.gather_nd(x=x, indices=i)


# --- replace_stack_reshape, fuse_stack_split

_PAIR = {name: fp32(2, 3, 4, 5) for name in "ab"}
_HALVES = {name: fp32(2, 3) for name in "ab"}


@case("replace_stack_reshape", **_PAIR)
def stacked_and_merged(a: Any, b: Any) -> Any:
    return mb.reshape(x=mb.stack(values=[a, b], axis=2), shape=[2, 6, 4, 5])


@case("replace_stack_reshape", **_PAIR)
def stacked_in_front_and_merged(a: Any, b: Any) -> Any:
    return mb.reshape(x=mb.stack(values=[a, b], axis=1), shape=[2, 6, 4, 5])


@case("replace_stack_reshape", **_PAIR, fails=raises("the stack is an output, too"))
def stack_is_an_output(a: Any, b: Any) -> Any:
    stack = mb.stack(values=[a, b], axis=2)
    return stack, mb.reshape(x=stack, shape=[2, 6, 4, 5])


def _split_stack(a: Any, b: Any) -> Any:
    return mb.split(x=mb.stack(values=[a, b], axis=1), num_splits=2, axis=1)


@case("fuse_stack_split", **_HALVES)
def stacked_and_split(a: Any, b: Any) -> Any:
    first, second = (mb.squeeze(x=part, axes=[1]) for part in _split_stack(a, b))
    return mb.sin(x=first), mb.cos(x=second)


@case("fuse_stack_split", **_HALVES, fails=raises("a part is used before the last one is squeezed"))
def stacked_and_split_used_early(a: Any, b: Any) -> Any:
    first, second = _split_stack(a, b)
    return mb.sin(x=mb.squeeze(x=first, axes=[1])), mb.cos(x=mb.squeeze(x=second, axes=[1]))


@case("fuse_stack_split", **_HALVES, fails=raises("a part that nobody uses"))
def stacked_and_split_part_unused(a: Any, b: Any) -> Any:
    first, _ = _split_stack(a, b)
    return mb.sin(x=mb.squeeze(x=first, axes=[1]))


@case("fuse_stack_split", **_HALVES, fails=raises("a part that is not squeezed"))
def stacked_and_split_part_not_squeezed(a: Any, b: Any) -> Any:
    first, second = _split_stack(a, b)
    return mb.sin(x=first), mb.cos(x=mb.squeeze(x=second, axes=[1]))


# --- use_reflection_padding


def _column(x: Any, index: int) -> Any:
    mask = [True, True, True, False]
    return mb.slice_by_index(x=x, begin=[0, 0, 0, index], end=[0, 0, 0, index + 1], end_mask=mask)


@case("use_reflection_padding", x=fp32(1, 2, 3, 6))
def reflected(x: Any) -> Any:
    return mb.concat(values=[_column(x, 2), _column(x, 1), x, _column(x, 4), _column(x, 3)], axis=3)


@case("use_reflection_padding", x=fp32(1, 2, 3, 6), fails=raises("another op uses a slice, too"))
def reflected_slice_used_twice(x: Any) -> Any:
    column = _column(x, 1)
    return mb.concat(values=[column, x, _column(x, 4)], axis=3), mb.sin(x=column)


# --- merge_consecutive_paddings, merge_consecutive_transposes, merge_consecutive_reshapes


def _pad(x: Any, amounts: list[int]) -> Any:
    return mb.pad(x=x, pad=amounts, mode="constant", constant_val=scalar(2))


@case("merge_consecutive_paddings", x=fp32(1, 2, 5, 6))
def reflected_twice(x: Any) -> Any:
    return mb.pad(x=mb.pad(x=x, pad=[1, 2], mode="reflect"), pad=[2, 1, 0, 0], mode="reflect")


@case("merge_consecutive_paddings", x=fp32(1, 2, 5, 6))
def padded_twice(x: Any) -> Any:
    return _pad(_pad(x, [1, 2]), [2, 1, 1, 0])


@case("merge_consecutive_paddings", x=fp32(1, 2, 5, 6), fails=raises("the first padding is an output, too"))
def padding_is_an_output(x: Any) -> Any:
    padded = _pad(x, [1, 2])
    return padded, _pad(padded, [2, 1, 1, 0])


@case("merge_consecutive_transposes", x=fp32(2, 3, 4))
def transposed_twice(x: Any) -> Any:
    return mb.transpose(x=mb.transpose(x=x, perm=[1, -1, 0]), perm=[-1, 0, 1])


@case("merge_consecutive_reshapes", x=fp32(2, 3, 4))
def reshaped_twice(x: Any) -> Any:
    return mb.reshape(x=mb.reshape(x=x, shape=[6, 4]), shape=[3, 8])
