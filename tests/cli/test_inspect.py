"""`milopt inspect`: what a model consists of, in words, as JSON and drawn."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt as package
import pytest
from milopt.cli.entry import DONE
from milopt.ir.graphs.def_use import def_use_graph
from milopt.ir.sizes import weight_bytes
from milopt.ir.walking import walk
from support.packages import Shelf, contents, shared_model_params

Command = Callable[..., Any]


def facts(text: str) -> dict[str, str]:
    """The lines of one function by their titles."""
    return {match[1]: match[2].strip() for match in re.finditer(r"^  (\w+) +(.*)$", text, re.MULTILINE)}


# --- in words


def test_function_is_told_line_by_line(milopt: Command) -> None:
    ran = milopt("inspect", "@states")
    assert (ran.code, ran.err) == (DONE, "")
    assert ran.out.splitlines() == [
        "states.mlpackage, iOS18",
        "function main, iOS18, the default",
        "  inputs    x  tensor<fp16, [1, 40]>",
        "  states    cache  state<tensor<fp16, [1, 64]>>",
        "  outputs   twice  tensor<fp16, [1, 64]>",
        "  ops       5: 1 add, 1 coreml_update_state, 1 linear, 1 mul, 1 read_state",
        "  constants 3",
        "  weights   5.12 KiB: 5.12 KiB fp16",
    ]


def test_nested_ops_and_all_outputs_count(milopt: Command) -> None:
    found = milopt("inspect", "@cond")
    assert facts(found.out)["ops"] == "5: 2 linear, 1 cast, 1 cond, 1 squeeze"
    outputs = milopt("inspect", "@variadic").out.split("  outputs")[1].split("  ops")[0].splitlines()
    assert [line.split()[:2] for line in outputs] == [
        ["topk_0", "tensor<fp16,"],
        ["topk_1", "tensor<int32,"],
        ["same", "tensor<fp16,"],
    ]
    assert len({line.index(" tensor<") for line in outputs[1:]}) == 1


def test_functions_are_told_one_after_the_other_or_alone(milopt: Command) -> None:
    both = milopt("inspect", "@two_functions").out
    assert re.findall(r"^function (.*)$", both, re.MULTILINE) == ["encode, iOS18, the default", "decode, iOS18"]
    alone = milopt("inspect", "@two_functions", "--function", "decode").out
    assert re.findall(r"^function (.*)$", alone, re.MULTILINE) == ["decode, iOS18"]


def test_stages_of_a_pipeline_are_told_or_one_of_them(milopt: Command) -> None:
    both = milopt("inspect", "@pipeline").out
    assert re.findall(r"^stage (.*)$", both, re.MULTILINE) == ["0", "1"]
    assert re.findall(r"^stage (.*)$", milopt("inspect", "@pipeline", "--stage", "1").out, re.MULTILINE) == ["1"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("image_classifier", ["BGR image 30 x 20"]),
        ("image_output", ["RGB image 30 x 20", "RGB image 30 x 20"]),
        ("shape_range", ["float16 [3, 40] in [[2, 9], [40, 40]]"]),
        ("enumerated_shapes", ["float16 [4, 40] of [[4, 40], [1, 40], [9, 40]]"]),
        ("default_value", ["optional float16 [10, 40], else 1"]),
        ("linear", []),
        ("states", []),
    ],
)
def test_description_is_told_where_it_says_more_than_the_type(name: str, words: list[str], milopt: Command) -> None:
    assert re.findall(r"> +described as (.*)$", milopt("inspect", f"@{name}").out, re.MULTILINE) == words
    (function,) = json.loads(milopt("inspect", f"@{name}", "--json").out)["programs"][0]["functions"]
    values = [*function["inputs"], *function["states"], *function["outputs"]]
    assert [value["described"] for value in values if value["described"]] == words


def test_each_function_has_its_own_description(milopt: Command, shelf: Shelf, tmp_path: Path) -> None:
    model = package.load(shelf["two_functions"])
    (part,) = [each for each in model.specification.description.functions if each.name == "decode"]
    part.input[0].type.isOptional = True
    model.save(tmp_path / "optional.mlpackage")
    functions = json.loads(milopt("inspect", "@/optional.mlpackage", "--json").out)["programs"][0]["functions"]
    told = {each["name"]: each["inputs"][0]["described"] for each in functions}
    assert (told["encode"], told["decode"].split()[0]) == (None, "optional")


def test_program_alone_is_not_described(milopt: Command, tmp_path: Path) -> None:
    (tmp_path / "alone.mil").write_text(milopt("print", "@shape_range", "--weights", "inline").out, "utf-8")
    assert "described" not in milopt("inspect", "@/alone.mil").out


# --- as JSON


@pytest.mark.parametrize(
    "name", ["linear", "two_functions", "pipeline", "lut_of_int8", "constants", "cond", "classifier_strings"]
)
def test_json_holds_the_facts(name: str, milopt: Command, shelf: Shelf) -> None:
    ran = milopt("inspect", f"@{name}", "--json")
    assert (ran.code, ran.err) == (DONE, "")
    found, model = json.loads(ran.out), package.load(shelf[name])
    assert (found["model"], found["opset"]) == (f"{name}.mlpackage", str(model.opset))
    assert [each["stage"] for each in found["programs"]] == list(model.programs)
    for told, program in zip(found["programs"], model.programs.values(), strict=True):
        assert [each["name"] for each in told["functions"]] == list(program.functions)
        for function in told["functions"]:
            require_facts(function, program.functions[function["name"]])


def require_facts(told: dict[str, Any], function: Any) -> None:
    counted = Counter(each.op_type for each in walk(function))
    assert told["constants"] == counted.pop("const", 0)
    assert told["ops"] == counted
    assert list(told["ops"].values()) == sorted(counted.values(), reverse=True)
    assert [each["name"] for each in told["inputs"] + told["states"]] == list(function.inputs)
    assert [each["name"] for each in told["outputs"]] == [var.name for var in function.outputs]
    assert sum(told["weight_bytes"].values()) == weight_bytes(function)


@pytest.mark.parametrize("path", shared_model_params())
def test_real_model_is_told_and_drawn(path: Path, milopt: Command, tmp_path: Path) -> None:
    for stage in package.load(path).stages:
        words = ["--stage", stage.label] if stage.label else []
        assert json.loads(milopt("inspect", path, "--json", *words).out)["programs"][0]["functions"]
        assert milopt("inspect", path, "--graph", "@/drawing.svg", "--force", *words).code == DONE
        assert drawn_names(tmp_path / "drawing.svg")


# --- one op


def test_ops_around_one_are_listed_with_what_they_take(milopt: Command) -> None:
    ran = milopt("inspect", "@linear_chain", "--op", "relu", "--depth", "1")
    assert (ran.code, ran.err) == (DONE, "")
    lines = ran.out.splitlines()
    assert [line.split()[1] for line in lines if not line.startswith("const")] == ["first", "relu", "second"]
    assert lines[-1].split(maxsplit=2)[:2] == ["linear", "second"]
    assert re.search(r"tensor<fp16, \[\d+, \d+\]> +x = relu, weight = second_weight_0", lines[-1])
    assert len({line.index(" tensor<") for line in lines}) == 1


def test_values_of_other_names_and_small_constants_are_told(milopt: Command) -> None:
    lines = milopt("inspect", "@variadic", "--op", "split", "--depth", "1").out.splitlines()
    rows = {line.split()[1]: re.split("  +", line)[2:] for line in lines}
    assert rows["split"][0] == "split_0: tensor<fp16, [10, 30]>, split_1: tensor<fp16, [10, 10]>"
    assert rows["split_split_sizes_0"] == ["tensor<int32, [2]> = [30, 10]"]
    assert rows["joined_interleave_0"] == ["bool = false"]
    assert rows["joined"][0] == "tensor<fp16, [10, 50]>"
    found = json.loads(milopt("inspect", "@variadic", "--op", "split", "--depth", "1", "--json").out)
    assert {each["name"]: each["value"] for each in found if each["kind"] == "constant"}["split_axis_0"] == "1"
    assert {each["value"] for each in found if each["kind"] != "constant"} == {None}


def test_large_and_missing_constants_have_no_value(milopt: Command, tmp_path: Path) -> None:
    listed = milopt("inspect", "@linear_chain", "--op", "second", "--depth", "0").out
    assert "second_weight_0" in listed
    assert " = [" not in listed
    digest = 'ELIDED(digest = string("sha256:0123456789abcdef"))'
    text = f"""program(1.3)
{{
    func main<ios17>(tensor<fp16, [2]> x) {{
            tensor<fp16, [2]> c = const()[name = string("c"), val = tensor<fp16, [2]>({digest})];
            tensor<fp16, [2]> y = add(x = x, y = c)[name = string("y")];
        }} -> (y);
}}
"""
    (tmp_path / "elided.mil").write_text(text, "utf-8")
    lines = milopt("inspect", "@/elided.mil", "--op", "y", "--depth", "0").out.splitlines()
    assert lines[0].split("  ")[-1].strip() == "tensor<fp16, [2]>"


def test_op_is_found_in_any_function_the_default_one_first(milopt: Command) -> None:
    found = json.loads(milopt("inspect", "@two_functions", "--op", "decode", "--depth", "0", "--json").out)
    assert {each["function"] for each in found} == {"decode"}
    both = json.loads(milopt("inspect", "@two_functions", "--op", "x", "--depth", "0", "--json").out)
    assert {each["function"] for each in both} == {"encode"}
    chosen = ["--op", "x", "--function", "decode", "--depth", "0", "--json"]
    assert {each["function"] for each in json.loads(milopt("inspect", "@two_functions", *chosen).out)} == {"decode"}


def test_op_is_found_in_any_stage(milopt: Command) -> None:
    assert "linear   after" in re.sub(" {2,}", "   ", milopt("inspect", "@pipeline", "--op", "after").out)


def test_depth_is_two_without_being_asked_for(milopt: Command) -> None:
    words = ["inspect", "@linear_chain", "--op", "relu"]
    assert milopt(*words).out == milopt(*words, "--depth", "2").out != milopt(*words, "--depth", "0").out


def test_ops_around_one_are_listed_as_json(milopt: Command) -> None:
    found = json.loads(milopt("inspect", "@cond", "--op", "yes", "--depth", "0", "--json").out)
    (op,) = [each for each in found if each["kind"] == "compute"]
    assert (op["op_type"], op["name"], op["function"], op["blocks"]) == ("linear", "yes", "main", ["choice[0]"])
    assert op["values"] == [{"name": "yes", "type": "tensor<fp16, [10, 64]>", "dtype": "fp16", "shape": [10, 64]}]
    assert {"parameter": "weight", "value": "inner_weight"} in op["takes"]
    assert "inner_weight" in [each["name"] for each in found if each["kind"] == "constant"]


# --- drawn


def drawn_names(path: Path) -> list[str]:
    groups = ET.parse(path).getroot().iter("{http://www.w3.org/2000/svg}g")  # noqa: S314 - our own file
    return [each.get("data-name", "") for each in groups if each.get("data-name")]


def test_svg_is_written(milopt: Command, tmp_path: Path, shelf: Shelf) -> None:
    ran = milopt("inspect", "@cond", "--graph", "@/cond.svg")
    assert ran == (DONE, f"written  {tmp_path / 'cond.svg'}\n", "")
    graph = def_use_graph(package.load(shelf["cond"]).program)
    assert {"x", "flag", "choice", "yes", "no", "outer_weight"} <= set(drawn_names(tmp_path / "cond.svg"))
    assert set(drawn_names(tmp_path / "cond.svg")) <= {node.name for node in graph}


def test_dot_is_written(milopt: Command, tmp_path: Path) -> None:
    ran = milopt("inspect", "@pipeline", "--stage", "1", "--graph", "@/second.dot", "--json")
    found = json.loads(ran.out)
    text = (tmp_path / "second.dot").read_text("utf-8")
    assert found["output"] == str(tmp_path / "second.dot")
    assert text.startswith('digraph {\n  graph [label="pipeline.mlpackage, stage 1, main"')
    assert (found["boxes"], found["arrows"]) == (len(re.findall(r"^ *n\d+ \[", text, re.MULTILINE)), text.count(" -> "))


def test_part_is_drawn(milopt: Command, tmp_path: Path) -> None:
    assert milopt("inspect", "@linear_chain", "--op", "first", "--depth", "0", "--graph", "@/part.svg").code == DONE
    assert sorted(drawn_names(tmp_path / "part.svg")) == ["first", "first_bias_0", "first_weight_0"]


def test_default_function_is_drawn_unless_another_is_named(milopt: Command, tmp_path: Path) -> None:
    milopt("inspect", "@two_functions", "--graph", "@/default.svg")
    milopt("inspect", "@two_functions", "--function", "decode", "--graph", "@/other.svg")
    assert "encode" in drawn_names(tmp_path / "default.svg")
    assert "encode" not in drawn_names(tmp_path / "other.svg")
    assert "decode" in drawn_names(tmp_path / "other.svg")


def test_drawing_is_replaced_when_that_is_asked_for(milopt: Command, tmp_path: Path) -> None:
    (tmp_path / "old.svg").write_text("old", "utf-8")
    assert milopt("inspect", "@linear", "--graph", "@/old.svg", "--force").code == DONE
    assert "linear" in drawn_names(tmp_path / "old.svg")
    assert [each.name for each in tmp_path.iterdir()] == ["old.svg"]


def test_folding_is_told_of_in_the_help(milopt: Command) -> None:
    assert "fewer than 10 elements" in re.sub(r"\s+", " ", milopt("inspect", "--help").out)


# --- mistakes

G = ["--graph", "@/new.svg"]
MISTAKES: dict[str, tuple[list[str], str]] = {
    "no model": ([], "MODEL"),
    "missing model": (["@/none.mlpackage"], "none.mlpackage: no such file or folder"),
    "ending": (["@linear", "--graph", "@/new.png"], "new.png: a drawing ends in .svg or .dot"),
    "no ending": (["@linear", "--graph", "@/new"], "a drawing ends in .svg or .dot"),
    "existing": (["@linear", "--graph", "@/old.svg"], "old.svg: the output exists already (use --force"),
    "checked first": (["@/none.mlpackage", "--graph", "@/old.svg"], "the output exists already"),
    "no folder": (["@linear", "--graph", "@/none/new.svg"], "does not exist"),
    "unknown op": (["@linear_chain", "--op", "relo"], "there is no op 'relo' (did you mean 'relu'?)"),
    "unknown op, drawn": (["@linear_chain", "--op", "relo", *G], "there is no op 'relo'"),
    "op of another function": (["@two_functions", "--function", "encode", "--op", "decode_y_0"], "no op 'decode_y_0'"),
    "op of no function": (["@two_functions", "--op", "decod"], "there is no op 'decod' (did you mean 'decode'?)"),
    "op of no stage": (["@pipeline", "--op", "none of them"], "there is no op 'none of them'"),
    "depth alone": (["@linear", "--depth", "2"], "--depth needs --op"),
    "negative depth": (["@linear", "--op", "linear", "--depth", "-1"], "--depth"),
    "unknown function": (["@two_functions", "--function", "encod"], "no function 'encod' (did you mean 'encode'?)"),
    "far function": (["@two_functions", "--function", "zzz"], "the functions are encode, decode"),
    "which program": (["@pipeline", *G], "pipeline.mlpackage has several programs; try --stage 0, --stage 1"),
    "which main": (["@pipeline", "--function", "main", *G], "try --stage 0, --stage 1"),
    "unknown stage": (["@pipeline", "--stage", "2"], "there is no stage '2' with a program (try --stage 0, --stage 1)"),
    "no stages": (["@linear", "--stage", "0"], "there is no stage '0' with a program (it is no pipeline)"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_told_in_one_line(case: str, milopt: Command, tmp_path: Path) -> None:
    words, message = MISTAKES[case]
    (tmp_path / "old.svg").write_text("old", "utf-8")
    milopt("inspect", *words).require_mistake(message)
    assert contents(tmp_path) == {"old.svg": b"old"}


def test_too_large_drawing_is_refused_with_a_way_out(
    milopt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("milopt.cli.commands.inspect.DRAWN_BOXES", 3)
    milopt("inspect", "@attention", *G).require_mistake("draw what is around an --op, or write a .dot")
    assert list(tmp_path.iterdir()) == []
    assert milopt("inspect", "@attention", "--graph", "@/new.dot").code == DONE
