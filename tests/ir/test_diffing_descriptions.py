"""Differences of what models say of their inputs and outputs: images, sizes, defaults, labels; not of metadata."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt
import pytest
from milopt.ir.diffing.comparing import diff_models
from milopt.ir.diffing.lines import lines
from milopt.ir.diffing.options import DEFAULT, DiffOptions
from milopt.ir.diffing.records import ModelDiff
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from support.packages import Shelf, package_of
from support.program_registry import build_program, fp16, fp32


def facts(diff: ModelDiff) -> list[str]:
    """The lines of a difference without headings and the summary."""
    return [str(line).strip() for line in [*lines(diff)][:-1] if line.mark]


@pytest.fixture
def edited(shelf: Shelf) -> Callable[..., ModelDiff]:
    """The difference of a package of the shelf and itself after an edit."""

    def compare(name: str, edit: Callable[[Any], object], options: DiffOptions = DEFAULT) -> ModelDiff:
        changed = milopt.load(shelf[name])
        edit(changed.specification)
        return diff_models(milopt.load(shelf[name]), changed, options)

    return compare


RANGE = "float16 [3, 40] in [[2, 9], [40, 40]]"
PAIRS = {
    ("image_output", "image_to_image"): [
        "~ description of input 'image': RGB image 30 x 20 -> float32 [1, 3, 20, 30]",
        "~ description of output 'brighter': RGB image 30 x 20 -> float32 [1, 3, 20, 30]",
    ],
    ("enumerated_shapes", "shape_range"): [
        f"~ description of input 'x': float16 [4, 40] of [[4, 40], [1, 40], [9, 40]] -> {RANGE}"
    ],
    ("linear", "default_value"): [
        "~ description of input 'x': float16 [10, 40] -> optional float16 [10, 40], else 1"
    ],
}  # fmt: skip


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
@pytest.mark.parametrize("options", [DEFAULT, DiffOptions(names=False)], ids=["names", "structure"])
def test_interface_that_differs_is_told(names: tuple[str, str], options: DiffOptions, shelf: Shelf) -> None:
    old, new = (milopt.load(shelf[name]) for name in names)
    diff = diff_models(old, new, options)
    assert facts(diff) == PAIRS[names]
    assert diff.counts() == {"function_changes": len(PAIRS[names])}
    changes = diff.as_json()["stages"][0]["functions"][0]["changes"]
    assert [change["kind"].split() for change in changes] == [
        [word, "description"] for word in ("input", "output")[: len(changes)]
    ]


def widen(specification: Any) -> None:
    (x,) = specification.description.input
    x.type.multiArrayType.shapeRange.sizeRanges[0].upperBound = 12


def other_default(specification: Any) -> None:
    specification.description.input[0].type.multiArrayType.floatDefaultValue = 0.5


def other_colors(specification: Any) -> None:
    specification.description.input[0].type.imageType.colorSpace = 20


def other_label(specification: Any) -> None:
    specification.description.predictedFeatureName = "kind_probs"


def no_label(specification: Any) -> None:
    specification.description.ClearField("predictedProbabilitiesName")


def other_default_function(specification: Any) -> None:
    specification.description.defaultFunctionName = "decode"


def no_feature(specification: Any) -> None:
    del specification.description.input[:]


def other_output(specification: Any) -> None:
    specification.description.output[0].type.multiArrayType.shape.append(1)


def other_state(specification: Any) -> None:
    specification.description.state[0].type.stateType.arrayType.dataType = 65568


ONE = "optional float16 [10, 40], else 1"
EDITS: list[tuple[str, Callable[[Any], None], str, tuple[str, str]]] = [
    ("shape_range", widen, "description of input 'x'", (RANGE, RANGE.replace("9", "12"))),
    ("default_value", other_default, "description of input 'x'", (ONE, ONE.replace("else 1", "else 0.5"))),
    ("image_classifier", other_colors, "description of input 'image'", ("BGR image 30 x 20", "RGB image 30 x 20")),
    ("image_classifier", other_label, "prediction 'feature'", ("kind", "kind_probs")),
    ("two_functions", other_default_function, "default function", ("encode", "decode")),
    ("states", other_state, "description of state 'cache'", ("state of float16 [1, 64]", "state of float32 [1, 64]")),
    ("pipeline", other_output, "description of output 'after'", ("float16 [10, 50]", "float16 [10, 50, 1]")),
]


@pytest.mark.parametrize(("name", "edit", "subject", "words"), EDITS)
def test_edited_description_is_told(
    name: str,
    edit: Callable[[Any], None],
    subject: str,
    words: tuple[str, str],
    edited: Callable[..., ModelDiff],
) -> None:
    diff = edited(name, edit)
    assert facts(diff) == [f"~ {subject}: {' -> '.join(words)}"]
    assert not diff.as_json()["equal"]


def test_what_only_one_side_describes_is_told(edited: Callable[..., ModelDiff]) -> None:
    assert facts(edited("linear", no_feature)) == ["- description of input 'x': float16 [10, 40]"]
    assert facts(edited("image_classifier", no_label)) == ["- prediction 'probabilities': kind_probs"]


def test_metadata_does_not_count(edited: Callable[..., ModelDiff]) -> None:
    def edit(specification: Any) -> None:
        description = specification.description
        description.metadata.author, description.metadata.versionString = "B. Name", "2"
        description.metadata.userDefined["new"] = "entry"
        description.input[0].shortDescription = "Another photograph."

    assert not edited("image_classifier", edit)


def test_description_of_another_function_does_not_count(edited: Callable[..., ModelDiff]) -> None:
    def edit(specification: Any) -> None:
        part = next(each for each in specification.description.functions if each.name == "decode")
        part.input[0].type.isOptional = True

    (function,) = edited("two_functions", edit).stages[0].functions
    assert function.name == "decode"
    assert not edited("two_functions", edit, DiffOptions(function="encode"))


def relu(folder: Path, spec: Any, **names: str) -> Any:
    folder.mkdir()
    program = build_program(lambda x: mb.relu(x=x, name=names.get("out", "out")), IOS17, x=spec)
    return milopt.load(package_of(program, folder))


def test_description_that_follows_from_a_changed_type_is_not_told_again(tmp_path: Path) -> None:
    diff = diff_models(relu(tmp_path / "a", fp16(3, 4)), relu(tmp_path / "b", fp32(3, 4)))
    assert facts(diff) == [
        "~ input 'x': tensor<fp16, [3, 4]> -> tensor<fp32, [3, 4]>",
        "~ output 'out': tensor<fp16, [3, 4]> -> tensor<fp32, [3, 4]>",
    ]


def test_descriptions_of_renamed_values_are_compared(tmp_path: Path) -> None:
    old, new = relu(tmp_path / "a", fp16(3, 4)), relu(tmp_path / "b", fp16(3, 4), out="other")
    assert not diff_models(old, new, DiffOptions(names=False))
    new.specification.description.output[0].type.multiArrayType.shape[0] = 5
    told = "~ description of output 'other': float16 [3, 4] -> float16 [5, 4]"
    assert facts(diff_models(old, new, DiffOptions(names=False))) == [told]


def test_program_alone_has_no_description_to_compare(shelf: Shelf, tmp_path: Path) -> None:
    package = milopt.load(shelf["image_output"])
    (tmp_path / "alone.mil").write_text(milopt.print_program(package.program, weights="inline"), "utf-8")
    alone = milopt.load(tmp_path / "alone.mil")
    for pair in ((package, alone), (alone, package)):
        diff = diff_models(*pair)
        assert not diff
        assert diff.notes == ("alone.mil has no description of its own; descriptions were not compared",)
        assert diff.as_json()["notes"] == list(diff.notes)
    assert diff_models(alone, alone).notes == diff_models(package, package).notes == ()
