"""Copies are equal and independent; raised programs mean the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import coremltools as ct
import numpy as np
import pytest
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
from milopt.ir.copying import copy_program
from milopt.ir.equality import first_difference
from milopt.ir.errors import MiloptError, ProgramError, TargetError
from milopt.ir.pymil import mb, opset_of
from milopt.ir.targets import IOS15, IOS16, IOS17, IOS18, IOS26, OPSETS, Opset
from milopt.ir.upgrading import _REENCODED, NOT_RAISABLE, raise_opset
from milopt.ir.verifier import verify
from milopt.ir.walking import walk
from support.canonical import canonical, constants, type_words
from support.editing import find_op, ops_of_type, replace_constant
from support.program_registry import build_program, fp16, fp32
from support.programs import PROGRAMS, weights

Build = Callable[[], Any]


@pytest.fixture(params=PROGRAMS)
def build(request: pytest.FixtureRequest) -> Build:
    return PROGRAMS[request.param]


# --- copies


def test_copy_is_equal_and_well_formed(build: Build) -> None:
    program = build()
    copied = copy_program(program)
    assert first_difference(program, copied) is None
    assert verify(copied) == []
    assert canonical(copied) == canonical(program)


def test_copying_does_not_touch_the_original(build: Build) -> None:
    program = build()
    copy_program(program)
    assert first_difference(program, build()) is None
    assert verify(program) == []


def test_copy_shares_weights_and_nothing_else(build: Build) -> None:
    program = build()
    copied = copy_program(program)
    ops, new_ops = ({id(operation) for operation in walk(each)} for each in (program, copied))
    assert not ops & new_ops
    for name, array in constants(program).items():
        if array.size >= 10:
            assert np.shares_memory(array, constants(copied)[name]), name


def test_changed_copy_leaves_the_original() -> None:
    program = PROGRAMS["cond"]()
    before = canonical(program)
    copied = copy_program(program)
    replace_constant(find_op(copied, "inner_weight"), weights(64, 40, seed=9))
    replace_constant(find_op(copied, "outer_weight"), weights(64, 40, seed=9))
    find_op(copied, "yes").outputs[0].name = "renamed"
    assert canonical(program) == before != canonical(copied)
    assert first_difference(program, PROGRAMS["cond"]()) is None


def test_changed_original_leaves_the_copy() -> None:
    program = PROGRAMS["while_loop"]()
    copied = copy_program(program)
    replace_constant(find_op(program, "outer_weight"), weights(40, 40, seed=9))
    assert first_difference(copied, PROGRAMS["while_loop"]()) is None


def test_copy_keeps_what_belongs_to_the_program_and_its_functions() -> None:
    program = PROGRAMS["two_functions"]()
    program.skip_all_passes = True
    image = ct.TensorType(name="x", shape=(10, 40))
    program.functions["encode"].set_input_types((image,))
    copied = copy_program(program)
    assert list(copied.functions) == ["encode", "decode"]
    assert copied.default_function_name == "encode"
    assert copied.export_as_multifunction
    assert copied.skip_all_passes
    assert copied.functions["encode"].input_types == (image,)


def test_copy_keeps_scopes() -> None:
    program = PROGRAMS["linear"]()
    scopes = find_op(program, "linear").scopes
    scopes["somewhere"] = ["layer 1"]
    assert find_op(copy_program(program), "linear").scopes == scopes


MISFIT_DEFAULTS: dict[str, Build] = {
    "pad": lambda: program_of(lambda x: mb.pad(x=x, pad=[1, 1, 1, 1], mode="reflect")),
    "layer_norm": lambda: program_of(lambda x: mb.layer_norm(x=x, axes=[-1], gamma=np.ones(40, np.float16))),
    "l2_norm": lambda: program_of(lambda x: mb.l2_norm(x=x), (1, 1, 10, 40)),
}


def program_of(body: Callable[[Any], Any], shape: tuple[int, ...] = (10, 40)) -> Any:
    return build_program(body, IOS15, x=fp16(*shape))


@pytest.mark.parametrize("name", MISFIT_DEFAULTS)
def test_copy_mends_defaults_that_the_builder_gave_another_type(name: str) -> None:
    program = MISFIT_DEFAULTS[name]()
    assert any("same data type" in str(fault) for fault in verify(program))
    copied = copy_program(program)
    assert verify(copied) == []
    assert verify(copy_program(copied)) == []
    assert {type_words(var) for var in copied.functions["main"].outputs} == {
        type_words(var) for var in program.functions["main"].outputs
    }


def test_copy_refuses_an_op_that_was_given_other_types() -> None:
    program = program_of(lambda x: mb.add(x=x, y=x, name="add"))
    add = find_op(program, "add")
    with program.functions["main"]:
        other = mb.const(val=np.float32(1), before_op=add)
    add._input_vars["y"] = add.y = other
    with pytest.raises(ProgramError, match="same data type"):
        copy_program(program)


def test_copy_of_a_copy_is_equal(build: Build) -> None:
    program = build()
    assert first_difference(program, copy_program(copy_program(program))) is None


# --- raising


def raisings() -> list[Any]:
    """Every program with every opset after its own."""
    pairs = ((name, opset_of(build())) for name, build in PROGRAMS.items())
    return [pytest.param(name, later, id=f"{name}-{later}") for name, now in pairs for later in OPSETS if later > now]


def materialized(program: Any) -> dict[str, np.ndarray]:
    """What each compressed weight expands to, by op."""
    found = {}
    for operation in walk(program):
        if operation.op_type.startswith("constexpr_"):
            value = operation.materialized_val_inference()
            found[operation.name] = np.asarray(value[-1] if isinstance(value, tuple) else value)
    return found


@pytest.mark.parametrize(("name", "opset"), raisings())
def test_raised_program_is_well_formed_and_means_the_same(name: str, opset: Opset) -> None:
    original, program = PROGRAMS[name](), PROGRAMS[name]()
    assert raise_opset(program, opset)
    assert opset_of(program) == opset
    assert verify(program) == []
    assert described(program) == described(original)
    before, after = materialized(original), materialized(program)
    assert list(after) == list(before)
    for op_name, value in before.items():
        assert (after[op_name].dtype, after[op_name].shape) == (value.dtype, value.shape)
        assert after[op_name].tobytes() == value.tobytes()


def described(program: Any) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """The ops that are no constants: types, names, and the names and types of their outputs."""
    return [
        (operation.op_type, operation.name, [(var.name, type_words(var)) for var in operation.outputs])
        for operation in walk(program)
        if operation.op_type != "const"
    ]


@pytest.mark.parametrize(("name", "opset"), raisings())
def test_raised_program_has_no_constant_that_nothing_uses(name: str, opset: Opset) -> None:
    program = PROGRAMS[name]()
    raise_opset(program, opset)
    unused = [operation.name for operation in ops_of_type(program, "const")
              if not operation.outputs[0].child_ops and not operation.outputs[0].consuming_blocks]  # fmt: skip
    assert unused == [operation.name for operation in ops_of_type(PROGRAMS[name](), "const")
                      if not operation.outputs[0].child_ops and not operation.outputs[0].consuming_blocks]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "bits"),
    [("lut_1_bit_ios16", 1), ("lut_2_bits_ios16", 2), ("lut_4_bits_ios16", 4), ("lut_6_bits_ios16", 6),
     ("lut_8_bits_ios16", 8)],
)  # fmt: skip
def test_table_indices_get_a_type_of_their_width(name: str, bits: int) -> None:
    program = PROGRAMS[name]()
    shape = tuple(find_op(program, "weight").outputs[0].shape)
    raise_opset(program, IOS18)
    weight = find_op(program, "weight")
    assert (weight.indices.dtype.get_bitwidth(), weight.indices.dtype.is_unsigned()) == (bits, True)
    assert weight.indices.shape == shape
    assert weight.lut.shape == (1, 1, 1 << bits, 1)


def test_sparse_mask_becomes_single_bits() -> None:
    program = PROGRAMS["sparse_ios16"]()
    raise_opset(program, IOS18)
    weight = find_op(program, "weight")
    assert (weight.mask.dtype.get_bitwidth(), weight.mask.shape) == (1, (61, 43))


def test_packed_weights_stay_as_they_are_below_ios18() -> None:
    program = PROGRAMS["lut_4_bits_ios16"]()
    packed = find_op(program, "weight").indices.val
    raise_opset(program, IOS17)
    assert np.shares_memory(find_op(program, "weight").indices.val, packed)


def test_raising_to_the_same_opset_changes_nothing() -> None:
    program = PROGRAMS["lut_4_bits_ios16"]()
    function = program.functions["main"]
    assert not raise_opset(program, IOS16)
    assert program.functions["main"] is function


@pytest.mark.parametrize("opset", [IOS15, IOS16, IOS17], ids=str)
def test_lowering_is_refused_and_says_what_is_possible(opset: Opset) -> None:
    program = PROGRAMS["states"]()
    with pytest.raises(TargetError, match=rf"needs iOS18; .* lowered to {opset} \(choose iOS18 or a later"):
        raise_opset(program, opset)
    assert opset_of(program) == IOS18
    assert first_difference(program, PROGRAMS["states"]()) is None


# --- ops that can not be raised


def crop_resize(opset: Opset) -> Any:
    def body(x: Any) -> Any:
        regions = np.array([0, 0.1, 0.2, 0.8, 0.9], np.float32).reshape(1, 5, 1, 1, 1)
        return mb.crop_resize(x=x, roi=regions, target_height=4, target_width=6, normalized_coordinates=True,
                              box_coordinate_mode="CORNERS_HEIGHT_FIRST", name="crops")  # fmt: skip

    return build_program(body, opset, x=fp32(1, 3, 20, 30))


def suppression(opset: Opset) -> Any:
    def body(boxes: Any, scores: Any) -> Any:
        return mb.non_maximum_suppression(boxes=boxes, scores=scores, iou_threshold=0.5, score_threshold=0.1,
                                          max_boxes=7, per_class_suppression=False, name="kept")  # fmt: skip

    return build_program(body, opset, boxes=fp32(1, 20, 4), scores=fp32(1, 20, 10))


NOT_RAISED = [(crop_resize, "crop_resize", "crops"), (suppression, "non_maximum_suppression", "kept")]


@pytest.mark.parametrize("opset", [IOS17, IOS18, IOS26], ids=str)
@pytest.mark.parametrize(("build", "op_type", "name"), NOT_RAISED)
def test_op_without_an_equal_is_named_and_nothing_is_raised(
    build: Callable[[Opset], Any], op_type: str, name: str, opset: Opset
) -> None:
    program = build(IOS15)
    with pytest.raises(
        TargetError, match=rf"op '{name}': {op_type} can not be raised to iOS17 or later: .*before iOS17"
    ):
        raise_opset(program, opset)
    assert first_difference(program, build(IOS15)) is None
    assert verify(program) == []


@pytest.mark.parametrize(("build", "op_type", "name"), NOT_RAISED)
def test_op_without_an_equal_is_raised_up_to_its_change(build: Callable[[Opset], Any], op_type: str, name: str) -> None:
    program = build(IOS15)
    raise_opset(program, IOS16)
    assert find_op(program, name).op_type == op_type
    assert verify(program) == []


def test_no_function_is_raised_when_one_can_not_be() -> None:
    def body(x: Any) -> Any:
        return mb.relu(x=x, name="relu")

    program = build_program(body, IOS15, x=fp16(10, 40))
    program.add_function("second", crop_resize(IOS15).functions["main"])
    before = dict(program.functions)
    with pytest.raises(MiloptError, match="crops"):
        raise_opset(program, IOS17)
    assert program.functions == before
    assert opset_of(program) == IOS15


def test_no_other_op_of_coremltools_lost_an_input_or_got_a_required_one() -> None:
    known = {change.op_type for change in NOT_RAISABLE} | set(_REENCODED)
    changed = set()
    for op_type, variants in SSAOpRegistry.core_ops.items():
        versions = [variants[target].input_spec.input_types for target in sorted(variants)]
        for older, newer in itertools.pairwise(versions):
            required = {name for name, kind in newer.items() if not kind.optional}
            if set(older) - set(newer) or required - set(older):
                changed.add(op_type)
    assert changed == known
