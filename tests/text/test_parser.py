"""What parses, and to what: every construct of MIL text in both dialects, however it is laid out."""

from __future__ import annotations

import re
from typing import Any

import pytest
from milopt.ir.diagnostics import TextError
from milopt.ir.proto.faults import Part
from milopt.ir.pymil import proto
from milopt.ir.targets import OPSETS
from milopt.ir.text.parser import Parsed, parse_proto, trace
from milopt.ir.text.printer import print_proto
from milopt.ir.text.reading import parse_program
from milopt.ir.text.source import Source
from support.hostile_texts import EVERYTHING, attribute, body

MIL = proto.MIL_pb2
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|->|//[^\n]*|[\w.+-]+|\S')


def parsed_attribute(value: str) -> Any:
    """The protobuf value that a typed value is parsed to."""
    return parse_proto(attribute(value)).program.attributes["a"]


def elements(value: str) -> list[Any]:
    """The elements of a tensor, from whichever field holds them."""
    tensor = parsed_attribute(value).immediateValue.tensor
    return list(getattr(tensor, tensor.WhichOneof("value")).values)


def parsed_block(operations: str) -> Any:
    """The block of a function of these ops."""
    return parse_proto(body(operations)).program.functions["main"].block_specializations["CoreML8"]


def only_op(operation: str) -> Any:
    """The protobuf of one op."""
    (found,) = parsed_block(operation).operations
    return found


# --- the frame


@pytest.mark.parametrize("version", ["1.0", "1.3"])
@pytest.mark.parametrize("attributes", ["", "[]", "[buildInfo = dict<string, string>({})]"])
def test_smallest_program(version: str, attributes: str) -> None:
    found = parse_proto(f"program({version}){attributes}{{}}")
    assert (found.dialect, found.program.version, dict(found.functions)) == (version, 1, {})
    assert list(found.program.attributes) == (["buildInfo"] if len(attributes) > 2 else [])


@pytest.mark.parametrize("opset", OPSETS, ids=str)
def test_every_opset_is_known(opset: Any) -> None:
    found = parse_proto(body("").replace("ios18", opset.text_name)).program.functions["main"]
    assert (found.opset, list(found.block_specializations)) == (opset.mil_name, [opset.mil_name])


def test_functions_keep_the_order_of_their_inputs() -> None:
    first = "func z<ios17>(fp16 b, tensor<int32, [2]> a) {} -> (b);"
    second = "func main<ios18>(fp32 c)[d = bool(true)] {} -> ();"
    found = parse_proto(f"program(1.3) {{ {first} {second} }}")
    assert list(found.functions) == ["z", "main"]
    z, main = found.program.functions["z"], found.program.functions["main"]
    assert [value.name for value in z.inputs] == ["b", "a"]
    assert list(z.block_specializations["CoreML7"].outputs) == ["b"]
    assert list(main.attributes) == ["d"]
    assert (z.opset, main.opset) == ("CoreML7", "CoreML8")


def test_flexible_shapes_are_pushed_down_to_their_parts() -> None:
    value = parse_proto(EVERYTHING).program.attributes["shapes"]
    defaults, ranges = value.immediateValue.tuple.values
    name, shapes = defaults.immediateValue.tuple.values
    assert name.immediateValue.tensor.strings.values == ["DefaultShapes"]
    (entry,) = shapes.immediateValue.dictionary.values
    assert entry.key.immediateValue.tensor.strings.values == ["x"]
    assert entry.value.immediateValue.tensor.ints.values == [1, 2]
    assert entry.value.type.tensorType.dimensions[0].WhichOneof("dimension") == "unknown"
    (entry,) = ranges.immediateValue.tuple.values[1].immediateValue.dictionary.values
    pairs = entry.value.immediateValue.list.values
    assert [list(pair.immediateValue.tensor.ints.values) for pair in pairs] == [[1, 1], [1, 9]]


def test_nested_tuples_open_and_close_at_once() -> None:
    value = parsed_attribute("tuple<tuple<tuple<tuple<int32>>>>(((((7)))))")
    for _ in range(4):
        (value,) = value.immediateValue.tuple.values
    assert value.immediateValue.tensor.ints.values == [7]


# --- the same, written otherwise

SAME = {
    "scalar": ("int32(1)", "tensor<int32, []>(1)"),
    "string": ('string("a")', 'tensor<string, []>("a")'),
    "splat": ("tensor<int32, [1]>(-1)", "tensor<int32, [1]>([-1])"),
    "splat of a higher rank": ("tensor<fp16, [1, 1]>(0.5)", "tensor<fp16, [1, 1]>([[0x1p-1]])"),
    "splat of a string": ('tensor<string, [1]>("a")', 'tensor<string, [1]>(["a"])'),
    "decimals": ("fp16(0.125000)", "fp16(0x1p-3)"),
    "exponents": ("fp32(-1.25e+2)", "fp32(-0x1.f4p+6)"),
    "whole floats": ("fp32(3)", "fp32(0x1.8p+1)"),
    "padded floats": ("fp32(0x1.4000000000000p-20)", "fp32(0x1.4p-20)"),
    "more bits than the type has": ("fp16(0x1.1000000000001p-3)", "fp16(0x1.1p-3)"),
    "upper case": ("fp32(0X1.AP+1)", "fp32(0x1.ap+1)"),
    "signs": ("tensor<fp32, [2]>([+inf, +1.5])", "tensor<fp32, [2]>([inf, 0x1.8p+0])"),
    "hexadecimal integers": ("uint64(0xff)", "uint64(255)"),
    "empty axes": ("tensor<fp32, [2, 0]>([])", "tensor<fp32, [2, 0]>([[], []])"),
    "no blanks": ("tensor<int32,[2]>([1,2])", "tensor<int32, [2]>([1, 2])"),
    "lines and comments": ("tensor<int32, // a\n [2]>( // b\n[1, // c ]\n2 // d\n])", "tensor<int32, [2]>([1, 2])"),
    "blob": (
        'fp16(BLOBFILE(path = tensor<string, []>("@model_path/w"), offset = tensor<uint64, []>(64)))',
        'fp16(BLOBFILE(path=string("@model_path/w"),offset=uint64(64)))',
    ),
    "digest": (
        'fp16(ELIDED(digest = string("sha256:0123456789abcdef")))',
        'fp16(BLOBFILE(path = string("@model_path/sha256:0123456789abcdef"), offset = uint64(0)))',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_spellings_of_one_value(one: str, other: str) -> None:
    first, second = parsed_attribute(one), parsed_attribute(other)
    if "digest" in one:
        first.blobFileValue.offset = 0
    assert first == second


def test_check_of_spellings_can_fail() -> None:
    assert parsed_attribute("tensor<int32, [1]>(1)") != parsed_attribute("int32(1)")
    assert parsed_attribute("fp16(0.5)") != parsed_attribute("fp32(0.5)")


LAYOUTS = {
    "on one line": " ".join,
    "each token on its line": "\n".join,
    "comments everywhere": '// "(]}\n'.join,
    "lines of Windows": "\r\n".join,
    "tabs": "\t".join,
    "tight": lambda found: re.sub(" ", _if_needed, " ".join(found)),
}


def _if_needed(blank: re.Match[str]) -> str:
    before, after = blank.string[blank.start() - 1], blank.string[blank.end()]
    return " " if re.match(r"[\w.+-]", before) and re.match(r"[\w.+-]", after) else ""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_means_nothing(layout: str) -> None:
    # In strings a blank means something; here none has one.
    text = EVERYTHING.replace("a state", "a-state").replace("an other", "an-other")
    found = [token for token in _TOKENS.findall(text) if not token.startswith("//")]
    spaced = LAYOUTS[layout](found)
    assert spaced != text
    assert parse_proto(spaced).program == parse_proto(text).program


def test_both_spellings_of_scalars_meet_in_one_text() -> None:
    text = print_proto(parse_proto(EVERYTHING).program, dialect="1.0")
    mixed = text.replace("tensor<int32, []>", "int32").replace("program(1.0)", "program(1.3)")
    assert "tensor<string, []>" in mixed
    assert "int32(1)" in mixed
    assert parse_proto(mixed).program == parse_proto(text).program


def test_comments_in_strings_are_no_comments() -> None:
    assert elements('string("// no \\" comment") // a "comment"\n') == ['// no " comment']


# --- values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"\\\\ \\" \\\' \\n\\t\\r\\0"', "\\ \" ' \n\t\r\0"),
        (r'"\a\b\f\v"', "\a\b\f\v"),
        (r'"\x41\xe9\u20ac\U0001f600"', "Aé€\U0001f600"),
        ('"tab\there, é, \U0001f600"', "tab\there, é, \U0001f600"),
        ('""', ""),
        ('"])}, // (["', "])}, // (["),
    ],
)
def test_strings(text: str, expected: str) -> None:
    assert elements(f"string({text})") == [expected]
    assert elements(f"tensor<string, [2]>([{text}, {text}])") == [expected, expected]


def test_bools_and_floats_without_a_number() -> None:
    assert elements("tensor<bool, [3]>([true, false,true])") == [True, False, True]
    inf, negative, nan = elements("tensor<fp32, [3]>([inf, -inf, nan])")
    assert (inf, negative) == (float("inf"), -float("inf"))
    assert nan != nan  # noqa: PLR0124 - what makes it one


def test_nested_rows_stand_in_order() -> None:
    assert elements("tensor<int32, [2, 3, 1]>([[[1], [2], [3]], [[4], [5], [6]]])") == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("text", "count"), [("dict<string, string>({})", 0), ('dict<string, int32>({{"a", 1}, {"b", -2}})', 2)]
)
def test_dictionaries(text: str, count: int) -> None:
    value = parsed_attribute(text).immediateValue
    assert value.WhichOneof("value") == "dictionary"
    found = value.dictionary.values
    assert [list(pair.key.immediateValue.tensor.strings.values) for pair in found] == [["a"], ["b"]][:count]
    assert [list(pair.value.immediateValue.tensor.ints.values) for pair in found] == [[1], [-2]][:count]


@pytest.mark.parametrize(("text", "count"), [("list<int32, 0>([])", 0), ("list<int32, ?>([1, 2])", 2)])
def test_lists(text: str, count: int) -> None:
    value = parsed_attribute(text).immediateValue
    assert value.WhichOneof("value") == "list"
    assert [each.immediateValue.tensor.ints.values[0] for each in value.list.values] == [1, 2][:count]


def test_tuples_without_members() -> None:
    value = parsed_attribute("tuple<>(())").immediateValue
    assert (value.WhichOneof("value"), len(value.tuple.values)) == ("tuple", 0)


def test_types_that_were_met_before_are_not_changed_by_later_ones() -> None:
    first, _, third = (
        parse_proto(f"program(1.3)[a = tensor<int32, [2]>([1, 2]), b = {value}, c = tensor<int32, [2]>([3, 4])]{{}}")
        .program.attributes[name]
        for name, value in (("a", "tensor<int32, [3]>([1, 2, 3])"), ("b", "int32(1)"), ("c", "int32(2)"))
    )  # fmt: skip
    assert first.type == third.type
    assert first.immediateValue.tensor.ints.values == [1, 2]


def test_shapes_of_declared_values() -> None:
    (found,) = (
        parse_proto("program(1.3){func f<ios15>(tensor<fp16, [1, ?, ...]> x){}->();}").program.functions["f"].inputs
    )
    one, unknown, more = found.type.tensorType.dimensions
    assert found.type.tensorType.rank == 3
    assert one.constant.size == 1
    assert (unknown.unknown.variadic, more.unknown.variadic) == (False, True)


# --- ops


def test_op_of_two_outputs_and_a_group_of_values() -> None:
    found = only_op("tensor<fp16, [1]> a, tensor<fp16, [2]> b = f(values = (x, y), axis = int32(1), none = ());")
    assert [(value.name, value.type.tensorType.dimensions[0].constant.size) for value in found.outputs] == [
        ("a", 1),
        ("b", 2),
    ]
    assert [binding.name for binding in found.inputs["values"].arguments] == ["x", "y"]
    (axis,) = found.inputs["axis"].arguments
    assert axis.value == parsed_attribute("int32(1)")
    assert not found.inputs["none"].arguments
    assert not found.attributes


def test_values_and_names_in_one_group() -> None:
    first, second = only_op("f(v = (int32(1), x));").inputs["v"].arguments
    assert (first.WhichOneof("binding"), second.name) == ("value", "x")


def test_op_without_outputs_and_one_without_a_name() -> None:
    assert not only_op('write_state(data = x, input = s)[name = string("w")];').outputs
    assert list(only_op("int32 k = const()[val = int32(3)];").attributes) == ["val"]
    assert not only_op("fp16 y = relu(x = x)[];").attributes


def test_name_of_a_value_and_of_its_op_differ() -> None:
    found = only_op('fp16 y = relu(x = x)[name = string("z")];')
    assert (found.outputs[0].name, found.attributes["name"]) == ("y", parsed_attribute('string("z")'))


def test_statement_over_several_lines() -> None:
    found = only_op('fp16 y =\n  depth_to_space(\n  x = x,\n  block_size = block\n)\n[name =\nstring("u")]\n;')
    assert (found.type, found.inputs["block_size"].arguments[0].name) == ("depth_to_space", "block")


def test_blocks_of_blocks() -> None:
    inner = "fp16 z = g() (fp16 q, int32 r) {} -> (q, r) () {} -> ();"
    outer = only_op(f"fp16 y = f(x = x)[a = int32(1)] {{ fp16 w = h(); {inner} }} -> (z);")
    (block,) = outer.blocks
    assert [operation.type for operation in block.operations] == ["h", "g"]
    assert (list(block.outputs), list(block.inputs)) == (["z"], [])
    first, second = block.operations[1].blocks
    assert [value.name for value in first.inputs] == ["q", "r"]
    assert (list(first.outputs), list(second.outputs)) == (["q", "r"], [])


WORDS = (
    "state", "block", "fp16", "string", "tensor", "list", "dict", "tuple", "int32", "bool", "func", "program", "const",
    "true", "inf", "nan", "BLOBFILE", "ELIDED", "path", "offset", "ios18", "name", "val", "_0", "a.b",
)  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_words_that_mean_something_elsewhere_are_names(word: str) -> None:
    text = f"""program(1.3) {{
        func {word}<ios18>(tensor<fp16, [2]> {word}, fp16 x) [{word} = int32(1)] {{
            fp16 {word}, fp16 b = relu({word} = {word}, y = ({word}, {word}))[{word} = bool(true), n = int32(2)];
            fp16 c = relu(x = {word}) ({word}_type {word}) {{ }} -> ({word}, {word});
        }} -> ({word}, x, {word});
    }}""".replace(f"{word}_type", "int32")
    found = parse_proto(text).program
    function = found.functions[word]
    (block,) = function.block_specializations.values()
    first, second = block.operations
    assert [value.name for value in function.inputs] == [word, "x"]
    assert list(function.attributes) == [word]
    assert [value.name for value in first.outputs] == [word, "b"]
    assert [binding.name for binding in first.inputs["y"].arguments] == [word, word]
    assert sorted(first.attributes) == sorted([word, "n"])
    assert second.blocks[0].inputs[0].name == word
    assert list(block.outputs) == [word, "x", word]
    assert parse_proto(print_proto(found)).program.functions == found.functions


def test_name_of_a_type_before_a_parenthesis_or_bracket_is_a_type() -> None:
    found = only_op("f(a = int32, b = int32 (1), c = tensor, d = tensor // e\n <fp16, []> (0), e = string);")
    kinds = {name: argument.arguments[0].WhichOneof("binding") for name, argument in found.inputs.items()}
    assert kinds == {"a": "name", "b": "value", "c": "name", "d": "value", "e": "name"}


@pytest.mark.parametrize("name", ["a b", "1", "", 'quo"te', "->", "é\n", "// x"])
def test_quoted_names_stand_wherever_names_do(name: str) -> None:
    quoted = '"' + name.replace('"', '\\"').replace("\n", "\\n") + '"'
    text = f"""program(1.3)[{quoted} = int32(1)]{{func {quoted}<ios18>(fp16 {quoted}){{
        fp16 {quoted} = {quoted}({quoted} = {quoted})[{quoted} = int32(1)];
        {quoted}();
    }} -> ({quoted});}}"""
    found = parse_proto(text).program
    function = found.functions[name]
    (block,) = function.block_specializations.values()
    first, second = block.operations
    assert list(found.attributes) == [name]
    assert (first.outputs[0].name, first.type, first.inputs[name].arguments[0].name) == (name, name, name)
    assert (second.type, list(block.outputs)) == (name, [name])


def test_quoted_word_is_that_word() -> None:
    assert only_op('fp16 "y" = "relu"("x" = "z");') == only_op("fp16 y = relu(x = z);")


# --- places

PLACED = """program(1.3)
{
    func main<ios18>(tensor<fp16, [2]> x, state<tensor<fp16, [2]>> s) [a = int32(1)] {
        tensor<fp16, [2]> y, fp16 z = cond(pred = x, v = (x, x))[name = string("c")] {
            fp16 inner = relu(x = x);
        } -> (inner);
        "odd op"();
    } -> (y, z);
    func "a b"<ios17>() { fp16 k = const(); } -> (k);
}
"""


def placed() -> Parsed:
    return parse_proto(PLACED)


def test_places_of_functions_and_ops() -> None:
    found = placed()
    assert [PLACED[start:].split("(", maxsplit=1)[0] for start in found.functions.values()] == [
        "func main<ios18>",
        'func "a b"<ios17>',
    ]
    begins = {name: [PLACED[start:][:8] for start in starts] for name, starts in found.operations.items()}
    assert begins == {"main": ["tensor<f", "fp16 inn", '"odd op"'], "a b": ["fp16 k ="]}


def spans(offset: int) -> dict[Part, str]:
    return {part: PLACED[start : start + length] for part, (start, length) in trace(placed(), offset).items()}


def test_places_of_the_parts_of_an_op() -> None:
    assert spans(placed().operations["main"][0]) == {
        Part("output", "y"): "tensor<fp16, [2]> y",
        Part("output", "z"): "fp16 z",
        Part("op"): "cond",
        Part("input name", "pred"): "pred",
        Part("input", "pred"): "x",
        Part("operand", "pred x"): "x",
        Part("input name", "v"): "v",
        Part("input", "v"): "(x, x)",
        Part("operand", "v x"): "x",
        Part("attribute", "name"): 'string("c")',
        Part("result", "0 inner"): "inner",
    }


def test_places_of_names_among_values() -> None:
    text = body('"odd op"(values = (int32(1), x, "a b", x), "a b" = y, z = fp16(1));')
    found = parse_proto(text)
    begins = {
        part: start - text.index('"odd') for part, (start, _) in trace(found, found.operations["main"][0]).items()
    }
    assert {part: begin for part, begin in begins.items() if part.kind in ("input name", "operand")} == {
        Part("input name", "values"): 9,
        Part("operand", "values x"): 29,
        Part("operand", "values a b"): 32,
        Part("input name", "a b"): 43,
        Part("operand", "a b y"): 51,
        Part("input name", "z"): 54,
    }


def test_places_of_the_parts_of_a_function() -> None:
    assert spans(placed().functions["main"]) == {
        Part("parameter", "x"): "tensor<fp16, [2]> x",
        Part("parameter", "s"): "state<tensor<fp16, [2]>> s",
        Part("attribute", "a"): "int32(1)",
        Part("result", "y"): "y",
        Part("result", "z"): "z",
    }


def test_sections_keep_their_line_numbers() -> None:
    text = "program(1.3)\n{\n}\n// -----\nprogram(1.0)\n{\n}\n// -----  \r\n\nprogram(2)\n"
    first, second, third = Source(text, "f.mil").sections()
    assert [parse_proto(section).dialect for section in (first, second)] == ["1.3", "1.0"]
    assert str(third.location(third.text.index("2"))) == "f.mil:10:9"


@pytest.mark.parametrize("line", ["// ----", "// ------", " // -----", "//-----", '"// -----"'])
def test_lines_that_part_nothing(line: str) -> None:
    assert len(Source(f"a\n{line}\nb").sections()) == 1


# --- what other tools write, and what it is here

FOREIGN = {
    "an opset as the protobuf has it": (
        body("").replace("ios18", "CoreML9"),
        "unknown opset 'CoreML9' (did you mean 'ios26'?)",
    ),
    "an opset of another platform": (
        body("").replace("ios18", "macos15"),
        "unknown opset 'macos15' (did you mean 'ios18'?)",
    ),
    "an opset of an op": (
        body("fp16 y = relu<ios17>(x = x);"),
        "an op has no opset of its own (it takes that of its function)",
    ),
    "a buffer": (
        body("tensor_buffer<fp16, shape=[4], strides=[1]> y = relu(x = x);"),
        "unknown type 'tensor_buffer' (programs compiled for the Neural Engine have it, ML programs do not)",
    ),
    "a float of 8 bits": (
        attribute("tensor<fp8e5m2, [1]>([0])"),
        "unknown element type 'fp8e5m2' (PyMIL has no floats of 8 bits)",
    ),
    "a float that is no fp16": (
        attribute("bf16(0)"),
        "unknown type 'bf16' (Core ML models hold such values as fp16 or fp32)",
    ),
    "a bare truth value": (
        body("tensor<fp16, [2, 3]> y = softmax(axis = true, x = x);"),
        "op 'y': 'true' is not defined (as a value it is bool(true))",
    ),
    "a bare element type": (
        body("tensor<int32, [2, 3]> y = cast(dtype = int32, x = x);"),
        "op 'y': 'int32' is not defined (as a value it is string(\"int32\"))",
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_words_have_a_translation(name: str) -> None:
    text, said = FOREIGN[name]
    with pytest.raises(TextError) as caught:
        parse_program(text)
    assert str(caught.value.diagnostics[0]).endswith(f": {said}")


def test_ios_26_by_its_first_name_is_read() -> None:
    found = parse_proto(body("").replace("ios18", "ios19")).program
    assert [function.opset for function in found.functions.values()] == ["CoreML9"]


def test_nothing_can_not_be_something() -> None:
    with pytest.raises(TextError, match=r"expected '\['"):
        parse_proto(body("tensor<int32, [0]> y = const()[val = tensor<int32, [0]>(5)];"))
