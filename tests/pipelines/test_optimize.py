"""`optimize`: what comes out for each deployment target, what is refused, and whether the report tells the truth."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import coremltools as ct
import milopt
import numpy as np
import pytest
from milopt.ir.equality import first_difference
from milopt.ir.errors import CheckFailure, OptionError, PassFailure, ProgramError, TargetError
from milopt.ir.package import package_size
from milopt.ir.pymil import mb, opset_of
from milopt.ir.targets import IOS15, IOS16, IOS17, IOS18, IOS26, Opset, deployment_targets, parse_target
from milopt.ir.verifier import verify
from milopt.ir.walking import walk
from milopt.passes.instrumentation.timing import Timing
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.pipelines.by_target import pipeline_for
from milopt.pipelines.open_options import configured_passes
from milopt.pipelines.schemes import SCHEMES, scheme_named
from support.editing import find_op
from support.packages import (
    PACKAGES,
    SPECIFICATION,
    Shelf,
    contents,
    copy_package,
    edit_specification,
    read_specification,
    shared_model_params,
)
from support.program_registry import build_program
from support.programs import PROGRAMS, fp16, fp32, weights
from support.saving import blob_count

AFFINE, BLOCKWISE = "constexpr_affine_dequantize", "constexpr_blockwise_shift_scale"
RELEASES = {"iOS": 0, "macOS": 3, "watchOS": 7, "tvOS": 0, "visionOS": 16}  # how far each is behind iOS below 26


def compressed(program: Any) -> list[str]:
    return [each.name for each in walk(program) if each.op_type in (AFFINE, BLOCKWISE)]


def payload_bytes(package: Path) -> int:
    """The bytes of all blobs in the weight files of a package, as the files themselves count them."""
    total = 0
    for path in package.rglob("*.bin"):
        data, position = path.read_bytes(), 64
        for _ in range(blob_count(path)):
            sentinel, _, size, start = struct.unpack_from("<IIQQ", data, position)
            assert sentinel == 0xDEADBEEF
            total += size
            position = -(-(start + size) // 64) * 64
    return total


def saved(optimization: milopt.Optimization, folder: Path) -> Path:
    path = folder / "small.mlpackage"
    optimization.model.save(path)
    return path


def opened(package: Path) -> Any:
    return ct.models.MLModel(str(package), skip_model_load=True)


def package_with(shelf: Shelf, folder: Path, body: Callable[[Any], Any], **inputs: Any) -> milopt.Model:
    """A model whose only program is this one."""
    model = milopt.load(copy_package(shelf["matmul_inputs"], folder))
    model.stages[0].replace(build_program(body, IOS17, **(inputs or {"x": fp16(10, 64)})))
    return model


# --- targets


def release_of(name: str) -> int:
    """The number of the iOS release that a target belongs to."""
    platform = name.rstrip("0123456789")
    number = int(name.removeprefix(platform))
    return number if number == 26 else number + RELEASES[platform]


@pytest.mark.parametrize("name", deployment_targets())
def test_target_gives_the_opset_and_the_version_of_its_release(name: str, shelf: Shelf, tmp_path: Path) -> None:
    version = {15: 6, 16: 7, 17: 8, 18: 9, 26: 10}[release_of(name)]
    scheme = "none" if version == 6 else "w8"
    done = milopt.optimize(milopt.load(shelf["linear_fp32"]), target=name, scheme=scheme)
    specification = read_specification(saved(done, tmp_path))
    assert specification.specificationVersion == version
    assert specification.mlProgram.functions["main"].opset == f"CoreML{version - 1}"
    assert done.report.target == f"iOS{release_of(name)}"
    assert (done.report.opset_before, done.model.opset.specification_version) == ("iOS15", version)


@pytest.mark.parametrize("name", ["ios17", "IOS17", "MacOS14"])
def test_case_of_a_target_does_not_matter(name: str, shelf: Shelf) -> None:
    assert milopt.optimize(milopt.load(shelf["conv"]), target=name).report.target == "iOS17"


@pytest.mark.parametrize(("name", "opset"), [("conv", "iOS16"), ("linear", "iOS17"), ("states", "iOS18")])
def test_target_is_the_models_own_without_another(name: str, opset: str, shelf: Shelf) -> None:
    report = milopt.optimize(milopt.load(shelf[name])).report
    assert (report.opset_before, report.target) == (opset, opset)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("iOS81", "did you mean 'iOS18'?"),
        ("macOS99", "one of iOS15, iOS16"),
        ("CoreML7", "one of iOS15, iOS16, iOS17, iOS18, iOS26, or a macOS, watchOS, tvOS, visionOS name"),
        ("", "one of iOS15, iOS16, iOS17, iOS18, iOS26, or a macOS, watchOS, tvOS, visionOS name"),
    ],
)
def test_unknown_target_is_refused_with_a_hint(name: str, hint: str, shelf: Shelf) -> None:
    with pytest.raises(TargetError) as caught:
        milopt.optimize(milopt.load(shelf["linear"]), target=name)
    assert str(caught.value).startswith(f"unknown deployment target {name!r} (")
    assert hint in str(caught.value)


@pytest.mark.parametrize(("name", "now", "target"), [("linear", IOS17, "iOS16"), ("states", IOS18, "macOS14")])
@pytest.mark.parametrize("scheme", ["w8", "none"])
def test_model_is_never_lowered(name: str, now: Opset, target: str, scheme: str, shelf: Shelf) -> None:
    with pytest.raises(TargetError) as caught:
        milopt.optimize(milopt.load(shelf[name]), target=target, scheme=scheme)
    lower = parse_target(target)
    assert str(caught.value) == (
        f"{name}.mlpackage: the model needs {now}; it can not be lowered to {lower} "
        f"(choose {now} or a later target, or convert the model anew for {lower})"
    )


def test_declared_version_counts_as_the_models_opset(shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["conv"], tmp_path)
    edit_specification(package, lambda specification: setattr(specification, "specificationVersion", 9))
    with pytest.raises(TargetError, match="the model needs iOS18; it can not be lowered to iOS16"):
        milopt.optimize(milopt.load(package), target="iOS16")


@pytest.mark.parametrize("target", [None, "iOS15", "macOS12"])
def test_ios15_can_not_hold_compressed_weights(target: str | None, shelf: Shelf) -> None:
    with pytest.raises(TargetError) as caught:
        milopt.optimize(milopt.load(shelf["linear_fp32"]), target=target)
    assert str(caught.value) == (
        "iOS15 can not encode the scheme 'w8': it has no op for compressed weights: constexpr_affine_dequantize "
        "came with iOS16 (choose the target iOS16 or later, or --scheme none)"
    )


def test_op_that_can_not_be_raised_names_itself(shelf: Shelf, tmp_path: Path) -> None:
    def body(x: Any) -> Any:
        return mb.crop_resize(x=x, roi=np.zeros((1, 1, 5, 1, 1), np.float32), target_height=2, target_width=3,
                              name="crop")  # fmt: skip

    model = milopt.load(copy_package(shelf["conv"], tmp_path))
    model.stages[0].replace(build_program(body, IOS16, x=fp32(1, 3, 9, 9)))
    with pytest.raises(PassFailure) as caught:
        milopt.optimize(model, target="iOS17")
    assert str(caught.value).startswith(
        "pass 'raise-opset{target=iOS17}', op 'crop': crop_resize can not be raised to iOS17 or later"
    )


# --- schemes and options


@pytest.mark.parametrize(
    ("name", "hint"), [("w9", "did you mean 'w8'?|one of none, w8"), ("non", "did you mean 'none'?"), ("", "none, w8")]
)
def test_unknown_scheme_is_refused_with_a_hint(name: str, hint: str, shelf: Shelf) -> None:
    with pytest.raises(TargetError) as caught:
        milopt.optimize(milopt.load(shelf["linear"]), scheme=name)
    assert str(caught.value).startswith(f"unknown scheme {name!r} (")
    assert any(each in str(caught.value) for each in hint.split("|"))


def test_scheme_none_raises_the_opset_and_nothing_more(shelf: Shelf, tmp_path: Path) -> None:
    done = milopt.optimize(milopt.load(shelf["linear"]), target="iOS18", scheme="none")
    path = saved(done, tmp_path)
    assert compressed(done.model.program) == []
    assert opset_of(milopt.load(path).program) == IOS18
    assert payload_bytes(path) == payload_bytes(shelf["linear"])
    assert (done.report.remarks, done.report.notes, done.report.weight_ratio) == ((), (), 1.0)
    opened(path)


def test_scheme_none_for_the_models_own_target_changes_nothing(shelf: Shelf, tmp_path: Path) -> None:
    path = saved(milopt.optimize(milopt.load(shelf["linear_fp32"]), scheme="none"), tmp_path)
    assert first_difference(milopt.load(path).program, milopt.load(shelf["linear_fp32"]).program) is None


def test_options_reach_the_pass(shelf: Shelf) -> None:
    done = milopt.optimize(milopt.load(shelf["linear"]), dtype="uint8", mode="affine", granularity="per-tensor")
    weight = find_op(done.model.program, "linear_weight_0")
    assert weight.quantized_data.val.dtype == np.uint8
    assert np.shape(weight.scale.val) == ()
    assert "quantize-weights{dtype=uint8 mode=affine granularity=per-tensor}" in done.report.pipeline


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int4"}, "pass 'quantize-weights', option 'dtype': takes one of int8, uint8, not 'int4'"),
        ({"min_element": 3}, "the scheme 'w8' has no option 'min-element' (did you mean 'min-elements'?)"),
        ({"odd": 3}, "the scheme 'w8' has no option 'odd' (it has dtype, mode, granularity, min-elements)"),
        (
            {"activation_mode": "affine"},
            "the scheme 'w8' has no option 'activation-mode' (the scheme 'w8a8' has it: leave it out, or choose that)",
        ),
        (
            {"scheme": "none", "mode": "affine"},
            "the scheme 'none' has no option 'mode' (the scheme 'w8' has it: leave it out, or choose that)",
        ),
        ({"min_elements": "x"}, "pass 'quantize-weights', option 'min-elements': takes a whole number, not 'x'"),
    ],
)
def test_wrong_option_is_refused(options: dict[str, Any], message: str, shelf: Shelf) -> None:
    with pytest.raises(OptionError) as caught:
        milopt.optimize(milopt.load(shelf["linear"]), **options)
    assert str(caught.value) == message


# --- pipelines


@pytest.mark.parametrize("opset", [IOS15, IOS16, IOS17, IOS18, IOS26], ids=str)
@pytest.mark.parametrize("scheme", [each.name for each in SCHEMES])
def test_pipeline_prints_to_text_that_rebuilds_it(opset: Opset, scheme: str) -> None:
    if opset < scheme_named(scheme).since:
        with pytest.raises(TargetError, match=f"{opset} can not encode the scheme '{scheme}'"):
            pipeline_for(opset, scheme)
        return
    pipeline = pipeline_for(opset, scheme)
    assert parse_pipeline(str(pipeline)) == pipeline
    assert f"target={opset}" in str(pipeline)


def test_pipeline_takes_the_quantizer_that_is_given() -> None:
    passes = configured_passes("w8", {"dtype": "uint8"})
    assert list(pipeline_for(IOS18, passes=passes).passes())[-1] == QuantizeWeights(dtype="uint8")
    assert list(pipeline_for(IOS18).passes())[-1] == QuantizeWeights()


def test_report_holds_the_pipeline_that_ran(shelf: Shelf) -> None:
    clock = Timing()
    done = milopt.optimize(milopt.load(shelf["linear"]), target="iOS18", dtype="uint8", instrumentations=[clock])
    ran = [entry.path.removeprefix("program/") for entry in clock.times]
    assert [str(each) for each in parse_pipeline(done.report.pipeline).passes()] == ran
    assert ran == ["raise-opset{target=iOS18}", "quantize-weights{dtype=uint8}"]


# --- strict


def test_strict_fails_when_nothing_was_compressed(shelf: Shelf) -> None:
    model = milopt.load(shelf["matmul_inputs"])
    assert milopt.optimize(model).report.done == ()
    with pytest.raises(CheckFailure) as caught:
        milopt.optimize(model, strict=True)
    assert str(caught.value) == ("matmul_inputs.mlpackage: nothing was compressed (run without --strict to see why)")


def test_strict_fails_when_everything_is_too_small(shelf: Shelf) -> None:
    with pytest.raises(CheckFailure, match="nothing was compressed"):
        milopt.optimize(milopt.load(shelf["linear"]), strict=True, min_elements=10**6)


def add_and_multiply(x: Any) -> Any:
    table = mb.const(val=weights(10, 640).reshape(100, 1, 64), name="table")
    return mb.linear(x=mb.add(x=x, y=table), weight=weights(50, 64), name="y")


def test_strict_fails_when_a_weight_was_missed(shelf: Shelf, tmp_path: Path) -> None:
    model = package_with(shelf, tmp_path, add_and_multiply)
    report = milopt.optimize(model).report
    assert [each.op for each in report.done] == ["y_weight_0"]
    assert [each.op for each in report.missed] == ["table"]
    with pytest.raises(CheckFailure) as caught:
        milopt.optimize(model, strict=True)
    assert str(caught.value) == (
        "matmul_inputs.mlpackage: 1 ops were missed, first 'table': it is input 'y' of add 'add_0', which is not "
        "known to decode compressed weights (fold it first with common::const_elimination)"
    )


@pytest.mark.parametrize("name", ["linear", "two_heads", "attention"])
def test_strict_holds_when_only_policy_keeps_constants(name: str, shelf: Shelf) -> None:
    report = milopt.optimize(milopt.load(shelf[name]), strict=True).report
    assert report.done
    assert {each.kind for each in report.left_alone} == {"analysis"}


def test_strict_asks_nothing_of_the_scheme_none(shelf: Shelf) -> None:
    assert milopt.optimize(milopt.load(shelf["matmul_inputs"]), scheme="none", strict=True).report.done == ()


# --- the report

UNUSED_BLOBS = {"shared_blob", "two_weight_files"}  # what comes in holds blobs that no program refers to
EVERY_PACKAGE = [*PACKAGES, *(name for name in PROGRAMS if not name.startswith(("lut_", "blockwise_")))]


@pytest.mark.parametrize("name", EVERY_PACKAGE)
def test_bytes_in_the_report_are_those_of_the_weight_files(name: str, shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf[name])
    done = milopt.optimize(model, target=str(max(model.opset, IOS16)), min_elements=0)
    if name not in UNUSED_BLOBS:
        assert done.report.weight_bytes_before == payload_bytes(shelf[name])
    assert done.report.weight_bytes_after == payload_bytes(saved(done, tmp_path))


def test_bytes_of_a_transposed_view_count_as_it_is_saved(shelf: Shelf, tmp_path: Path) -> None:
    square = weights(64, 64)

    def body(x: Any) -> Any:
        return mb.linear(x=mb.linear(x=x, weight=square), weight=square.T)

    done = milopt.optimize(package_with(shelf, tmp_path, body), scheme="none")
    assert done.report.weight_bytes_after == payload_bytes(saved(done, tmp_path))


def test_bytes_of_the_remarks_add_up_to_those_of_the_report(shelf: Shelf) -> None:
    report = milopt.optimize(milopt.load(shelf["attention"])).report
    change = sum(each.data["bytes_before"] - each.data["bytes_after"] for each in report.done)
    assert report.weight_bytes_before - report.weight_bytes_after == change


def test_ratios_are_those_of_the_sizes(shelf: Shelf, tmp_path: Path) -> None:
    done = milopt.optimize(milopt.load(shelf["attention"]))
    assert done.report.package_bytes_before == package_size(shelf["attention"])
    assert (done.report.package_bytes_after, done.report.package_ratio) == (None, None)
    path = saved(done, tmp_path)
    report = attrs.evolve(done.report, package_bytes_after=package_size(path))
    size_before, size_after = (
        sum(len(data) for data in contents(each).values()) for each in (shelf["attention"], path)
    )
    assert report.package_ratio == pytest.approx(size_before / size_after)
    assert report.weight_ratio == pytest.approx(payload_bytes(shelf["attention"]) / payload_bytes(path))
    assert report.weight_ratio > 1.8


def test_ratio_of_a_model_without_weights_is_one(shelf: Shelf) -> None:
    assert milopt.optimize(milopt.load(shelf["matmul_inputs"])).report.weight_ratio == 1.0


def test_report_counts_what_was_done_and_why_the_rest_was_not(shelf: Shelf, tmp_path: Path) -> None:
    report = milopt.optimize(package_with(shelf, tmp_path, add_and_multiply)).report
    assert [(each.op, each.kind) for each in report.remarks] == [
        ("table", "missed"),
        ("y_weight_0", "passed"),
        ("y_bias_0", "analysis"),
    ]
    assert report.reasons == {"not-a-weight": 1, "rank": 1}
    assert [each.op for each in report.left_alone] == ["table", "y_bias_0"]


@pytest.mark.parametrize(
    ("name", "functions"),
    [
        ("linear", ["main"]),
        ("two_functions", ["encode", "decode"]),
        ("pipeline", ["0/main", "1/main"]),
        ("nested_pipeline", ["0/main", "1/0/main"]),
    ],
)
def test_remarks_tell_functions_of_several_programs_apart(name: str, functions: list[str], shelf: Shelf) -> None:
    done = milopt.optimize(milopt.load(shelf[name])).report.done
    assert [each.function for each in done] == functions


def test_most_frequent_reason_comes_first(shelf: Shelf) -> None:
    report = milopt.optimize(milopt.load(shelf["conv_batch_norm"]), min_elements=10**6).report
    assert report.remarks[0].code == "small"
    assert list(report.reasons.items()) == [("rank", 4), ("small", 1)]


@pytest.mark.parametrize("name", ["linear", "two_functions", "pipeline", "matmul_inputs", "constants"])
def test_report_is_plain_data(name: str, shelf: Shelf) -> None:
    report = milopt.optimize(milopt.load(shelf[name])).report
    plain = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert plain["compressed"] == len(report.done)
    assert plain["missed"] == len(report.missed)
    assert plain["reasons"] == report.reasons
    assert plain["weight_ratio"] == report.weight_ratio
    assert plain["package_ratio"] is None
    assert [each["op"] for each in plain["remarks"]] == [each.op for each in report.remarks]
    fields = {field.name for field in attrs.fields(type(report))}
    assert fields <= set(plain)
    assert plain["model"] == f"{name}.mlpackage"


@pytest.mark.parametrize(
    ("name", "target", "options", "noted"),
    [
        ("conv", "iOS16", {}, True),
        ("conv", "iOS17", {}, True),
        ("conv", "iOS18", {}, False),
        ("conv", "iOS26", {}, False),
        ("conv", "iOS17", {"dtype": "uint8"}, False),
        ("conv", "iOS17", {"scheme": "none"}, False),
        ("conv", "iOS17", {"min_elements": 10**6}, False),
        ("matmul_inputs", "iOS17", {}, False),
    ],
)
def test_known_fault_below_ios18_is_noted_for_int8_only(
    name: str, target: str, options: dict[str, Any], shelf: Shelf, *, noted: bool
) -> None:
    notes = milopt.optimize(milopt.load(shelf[name]), target=target, **options).report.notes
    assert [note.partition(":")[0] for note in notes] == (["ct2114"] if noted else [])
    assert all("--dtype uint8" in note and "https://github.com/apple/coremltools/issues/2114" in note for note in notes)


# --- what comes in stays, what comes out opens


@pytest.fixture
def optimized(shelf: Shelf, tmp_path: Path) -> Callable[[str, str], Path]:
    """The package that comes out of one of the shelf for a target."""
    return lambda name, target: saved(milopt.optimize(milopt.load(shelf[name]), target=target), tmp_path)


@pytest.mark.parametrize("name", ["linear_fp32", "two_functions", "pipeline", "shared_blob"])
def test_model_that_comes_in_stays_as_it_is(name: str, shelf: Shelf) -> None:
    model = milopt.load(shelf[name])
    before, files = dict(model.programs), contents(shelf[name])
    milopt.optimize(model, target="iOS26")
    assert all(model.programs[label] is program for label, program in before.items())
    for label, program in milopt.load(shelf[name]).programs.items():
        assert first_difference(model.programs[label], program) is None
    assert model.specification == read_specification(shelf[name])
    assert contents(shelf[name]) == files


def test_changes_that_were_made_before_are_kept(shelf: Shelf) -> None:
    model = milopt.load(shelf["linear"])
    find_op(model.program, "linear").name = "renamed"
    done = milopt.optimize(model, target="iOS18")
    assert find_op(done.model.program, "renamed").op_type == "linear"


def test_same_model_gives_the_same_bytes(shelf: Shelf, tmp_path: Path) -> None:
    found = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        found.append(
            contents(saved(milopt.optimize(milopt.load(shelf["attention"]), target="iOS18"), tmp_path / folder))
        )
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("name", "labels", "names"),
    [
        ("two_functions", [""], [["encode_weight_0", "decode_y_0"]]),
        ("multifunction", [""], [["linear_weight_0", "first_weight_0", "second_weight_0"]]),
        ("pipeline", ["0", "1"], [["linear_weight_0"], ["after_weight_0"]]),
        ("nested_pipeline", ["0", "1/0"], [["linear_weight_0"], ["after_weight_0"]]),
        ("detector", ["0"], [["scores_weight_0"]]),
        ("two_weight_files", [""], [["first_weight_0", "second_weight_0"]]),
    ],
)
@pytest.mark.parametrize("target", ["iOS18", "iOS26"])
def test_models_of_several_parts_are_optimized_whole(
    name: str, labels: list[str], names: list[list[str]], target: str, optimized: Callable[[str, str], Path]
) -> None:
    path = optimized(name, target)
    again = milopt.load(path)
    assert list(again.programs) == labels
    assert [compressed(program) for program in again.programs.values()] == names
    assert all(verify(program) == [] for program in again.programs.values())
    assert all(stage.specification.specificationVersion == parse_target(target).specification_version
               for stage in again.stages)  # fmt: skip
    assert again.specification.specificationVersion == parse_target(target).specification_version
    opened(path)


def test_functions_and_their_default_stay(shelf: Shelf, tmp_path: Path) -> None:
    path = saved(milopt.optimize(milopt.load(shelf["multifunction"])), tmp_path)
    description = read_specification(path).description
    assert [each.name for each in description.functions] == ["short", "long"]
    assert description.defaultFunctionName == "short"


@pytest.mark.parametrize("name", ["image_classifier", "enumerated_shapes", "shape_range", "default_value", "states"])
def test_description_of_the_model_stays(name: str, shelf: Shelf, tmp_path: Path) -> None:
    path = saved(milopt.optimize(milopt.load(shelf[name]), target="iOS18"), tmp_path)
    assert read_specification(path).description == read_specification(shelf[name]).description
    assert compressed(milopt.load(path).program)
    opened(path)


def test_other_files_of_the_package_come_along(shelf: Shelf, tmp_path: Path) -> None:
    before = contents(shelf["extra_files"])
    after = contents(saved(milopt.optimize(milopt.load(shelf["extra_files"])), tmp_path))
    assert list(after) == list(before)
    changed = {name for name in before if before[name] != after[name]}
    assert {Path(name).name for name in changed} == {"model.mlmodel", "weight.bin"}
    assert SPECIFICATION in changed


def test_model_without_a_function_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["linear"], tmp_path)
    edit_specification(package, lambda specification: specification.mlProgram.functions.clear())
    with pytest.raises(ProgramError, match="the program has no function"):
        milopt.optimize(milopt.load(package))


@pytest.mark.parametrize("package", shared_model_params())
@pytest.mark.parametrize("target", ["iOS16", "iOS17", "iOS18", "iOS26"])
def test_real_model_is_optimized_and_opens(package: Path, target: str, tmp_path: Path) -> None:
    model = milopt.load(package)
    if model.opset > parse_target(target):
        with pytest.raises(TargetError, match="can not be lowered"):
            milopt.optimize(model, target=target)
        return
    done = milopt.optimize(model, target=target)
    path = saved(done, tmp_path)
    again = milopt.load(path)
    assert again.opset == parse_target(target)
    assert verify(again.program) == []
    assert done.report.weight_bytes_after == payload_bytes(path) <= payload_bytes(package)
    assert bool(done.report.done) == (payload_bytes(path) < payload_bytes(package))
    assert done.report.missed == ()
    assert opened(path).get_spec().specificationVersion == parse_target(target).specification_version


@pytest.mark.parametrize("package", shared_model_params())
def test_real_weights_shrink_to_a_byte_each_and_their_scales(package: Path) -> None:
    for remark in milopt.optimize(milopt.load(package), target="iOS18").report.done:
        elements, channels = np.prod(remark.data["shape"]), remark.data["shape"][remark.data["axis"]]
        width = remark.data["bytes_before"] // elements
        assert width in (2, 4)
        assert remark.data["bytes_after"] == elements + channels * width
