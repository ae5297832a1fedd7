"""What hand-written texts are told that follow other languages; the hints hold when they are followed."""

from __future__ import annotations

import re

import pytest
from milopt.ir.diagnostics import TextError
from milopt.ir.text.parser import parse_proto
from milopt.ir.text.reading import parse_program
from support.hostile_texts import attribute
from support.marked_texts import Y, check, faults, function
from support.text_oracle import check_error

UNTYPED = "a value needs its type"
UNNAMED = "an input needs its name"
COMMENTS = "comments begin with //"
IN_FRONT = "a value needs its type in front"
NESTED = "ops do not stand in other ops"
SEVERAL = "several outputs: tensor<fp16, [1]> a, tensor<fp16, [1]> b = ..."
NAMES_ALONE = "outputs are given by their names alone (such as -> (y))"


def op(inputs: str) -> str:
    """A program of one op with these inputs."""
    return function(f"{Y} = reduce_mean({inputs});")


def ending(text: str) -> str:
    """A program whose function ends with this text."""
    return function(f"{Y} = relu(x = x);").replace("} -> (y);", text)


# What is marked can be replaced by what the hint says to write: the text then parses.
REPLACED = {
    "float": (op("x = «1.0»"), f"{UNTYPED} (write fp16(1.0))"),
    "float among others of fp32": (
        function("fp32 y = add(x = x, y = «-1e-5»);"), f"{UNTYPED} (write fp32(-1e-5))"
    ),
    "hexadecimal float": (op("x = «0x1p-3»"), f"{UNTYPED} (write fp16(0x1p-3))"),
    "infinity": (op("x = «-inf»"), f"{UNTYPED} (write fp16(-inf))"),
    "integer": (op("x = «1»"), f"{UNTYPED} (write int32(1))"),
    "negative integer": (op("x = «-1»"), f"{UNTYPED} (write int32(-1))"),
    "row": (op("axes = «[2, 2]»"), f"{UNTYPED} (write tensor<int32, [2]>([2, 2]))"),
    "row of floats": (op("axes = «[2, 0.5]»"), f"{UNTYPED} (write tensor<fp16, [2]>([2, 0.5]))"),
    "row of truths": (op("axes = «[true]»"), f"{UNTYPED} (write tensor<bool, [1]>([true]))"),
    "row of strings": (op('axes = «["a", "b"]»'), f'{UNTYPED} (write tensor<string, [2]>(["a", "b"]))'),
    "row of names": (op("axes = «[x, y]»"), "several values stand in parentheses (write (x, y))"),
    "value in a group": (op("axes = (x, «1»)"), f"{UNTYPED} (write int32(1))"),
    "string of an attribute": (function(f'{Y} = relu(x = x)[name = «"y"»];'), f'{UNTYPED} (write string("y"))'),
    "name of an attribute": (
        function(f"{Y} = relu(x = x)[name = «y»];"), 'attributes hold values, not names (write string("y"))'
    ),
    "truth of an attribute": (function("bool y = const()[val = «true»];"), f"{UNTYPED} (write bool(true))"),
    "row of an attribute": (attribute("«[1, 2]»"), f"{UNTYPED} (write tensor<int32, [2]>([1, 2]))"),
    "input without a name": (op("«x»"), f"{UNNAMED} (inputs are named: x = x)"),
    "second input without a name": (op("x = x, «axes»"), f"{UNNAMED} (inputs are named: axes = axes)"),
    "literal without a name": (op("x = x, «[1]»"), f"{UNNAMED} (inputs are named: axes = tensor<int32, [1]>([1]))"),
    "truth without a name": (
        op("x = x, axes = axes, «true»"), f"{UNNAMED} (inputs are named: keep_dims = bool(true))"
    ),
    "value without a name": (op("x = x, «int32(1)»"), f"{UNNAMED} (inputs are named: axes = int32(1))"),
    "group without a name": (
        function(f"{Y} = concat(«(x, x)», axis = axis);"), f"{UNNAMED} (inputs are named: values = (x, x))"
    ),
    "input of an unknown op": (function(f"{Y} = f(«c»);"), f"{UNNAMED} (inputs are named: x = c)"),
    "number for an op": (
        function("fp32 y = «1»;"), "expected the type of an op, found '1' (a constant is const()[val = fp32(1)])"
    ),
    "truth for an op": (
        function("bool y = «true»;"),
        "expected the type of an op, found 'true' (a constant is const()[val = bool(true)])",
    ),
    "value for an op": (
        function("fp16 y = «fp16(1.5)»;"),
        "expected the type of an op, found 'fp16' (a constant is const()[val = fp16(1.5)])",
    ),
    "bare type in front": (function(inputs="«x»"), f"{IN_FRONT} (such as tensor<fp16, [1, 2]> x)"),
}  # fmt: skip

TOLD = {
    "row of rows": (
        op("axes = «[»[1, 2], [3, 4]]"), f"{UNTYPED} (such as int32(1), tensor<int32, [2]>([1, 2]))"
    ),
    "arrow without parentheses": (
        ending("} -> «y»;"), "expected '(' at the beginning of the outputs, found 'y' (such as -> (y))"
    ),
    "input without a name whose value is long": (
        op(f"x = x, «tensor<int32, [20]>([{'1, ' * 19}1])»"),
        f"{UNNAMED} (inputs are named: axes = tensor<int32, [20]>(...))",
    ),
    "number that is none": (op("x = «3»x3"), "expected a value or its name, found '3x3'"),
    "attribute of a name": (
        function(f"{Y} = const()[val = «x»];"),
        "attributes hold values, not names (such as int32(1), tensor<int32, [2]>([1, 2]))",
    ),
    "attribute of a dictionary": (
        attribute('«{»"a": "b"}'), f'{UNTYPED} (such as dict<string, string>({{{{"a", "b"}}}}))'
    ),
    "attribute of names": (attribute("«[»x, y]"), f"{UNTYPED} (such as int32(1), tensor<int32, [2]>([1, 2]))"),
    "attribute of an unknown type": (attribute("«float16»(1)"), "unknown type 'float16' (did you mean 'fp16'?)"),
    "weight without a type": (
        attribute('«BLOBFILE»(path = string("w"), offset = uint64(64))'),
        "unknown type 'BLOBFILE' (its type stands in front: tensor<fp16, [64, 40]>(BLOBFILE(...)))",
    ),
    "entry without braces": (
        attribute('dict<string, string>({«"»a", "b"})'),
        'expected \'{\' at the beginning of an entry: {key, value}, found a string (each has braces: {{"a", "b"}})',
    ),
    "hash": (function("«#» why", f"{Y} = relu(x = x);"), f"expected an op or '}}', found '#' ({COMMENTS})"),
    "hash behind an op": (function(f"{Y} = relu(x = x); «#» why"), f"expected an op or '}}', found '#' ({COMMENTS})"),
    "hash on the next line": (
        function(f"{Y} = relu(x = x)", "«#» why"), f"expected ';' at the end of an op, found '#' ({COMMENTS})"
    ),
    "hash in front": (
        "«#» why\nprogram(1.3)", f"expected 'program' at the beginning of the text, found '#' ({COMMENTS})"
    ),
    "hash behind": ("program(1.3){}\n«#» why", f"expected the end of the text, found '#' ({COMMENTS})"),
    "comment of C": (function("«/»* why */"), f"expected an op or '}}', found '/' ({COMMENTS})"),
    "comment of SQL": (function("«-»- why"), f"expected an op or '}}', found '-' ({COMMENTS})"),
    "comment among elements": (
        attribute("tensor<int32, [2]>([1, «#» why\n2])").replace("«#» why", "«# why»"),
        f"expected a whole number of type int32, found '# why\\n2' ({COMMENTS})",
    ),
    "comment of C among elements": (
        attribute("tensor<int32, [2]>([1, «/»* why */ 2])"),
        f"expected a whole number of type int32, found nothing ({COMMENTS})",
    ),
    "name of MLIR": (
        function(inputs="«%»x: tensor<fp16, [2]>"), "expected a type, found '%' (names are written without %)"
    ),
    "colon of an input": (op("x«:» x"), "expected '=' after the name of an input, found ':' (write x = ...)"),
    "op in an op": (
        op("x = «relu»(x = x)"), f"{NESTED} (give relu a line of its own, and its output's name here)"
    ),
    "op in an op without a name": (
        op("«relu»(x = x)"), f"{NESTED} (give relu a line of its own, and its output's name here)"
    ),
    "value of a foreign type": (op("x = «float16»(1)"), "unknown type 'float16' (did you mean 'fp16'?)"),
    "value of a misspelt type": (op("x = «tensr»<int32, []>(1)"), "unknown type 'tensr' (did you mean 'tensor'?)"),
    "outputs of Python": (function("«(»a, b) = split(x = x);"), f"{IN_FRONT} ({SEVERAL})"),
    "outputs of Python without parentheses": (function("«a», b = split(x = x);"), f"{IN_FRONT} ({SEVERAL})"),
    "second output without a type": (
        function("fp16 a, «b» = split(x = x);"), f"{IN_FRONT} (such as tensor<fp16, [1, 2]> b)"
    ),
    "alias": (
        function(f"{Y} = x«;»"), "expected '(' after the type of an op, found ';' (such as identity(x = x))"
    ),
    "expression": (
        function(f"{Y} = x «*» x;"), "expected '(' after the type of an op, found '*' (such as mul(x = x, y = ...))"
    ),
    "return": (
        function(f"{Y} = relu(x = x);", "«return» y;"),
        "there is no 'return' (the outputs stand behind the block: } -> (y))",
    ),
    "return of several": (
        function("«return» (x, y);"), "there is no 'return' (the outputs stand behind the block: } -> (x, y))"
    ),
    "no outputs": (
        ending("}«;»"), "expected '->' and the outputs after a block, found ';' (such as } -> (y);)"
    ),
    "no arrow": (
        ending("} «(»y);"), "expected '->' and the outputs after a block, found '(' (such as } -> (y);)"
    ),
    "no semicolon": (
        ending("} -> (y)").replace("(y)\n", "(y)« »\n"),
        "expected ';' at the end of a function, found '}' (write } -> (y);)",
    ),
    "type of an output": (ending("} -> («tensor»<fp16, [2, 3]>);"), NAMES_ALONE),
    "type in front of an output": (ending("} -> («fp16» y);"), NAMES_ALONE),
    "type behind an output": (ending("} -> («y»: fp16);"), NAMES_ALONE),
    "outputs in front of the block": (
        function().replace("x) {", "x) «-»> (fp16) {"),
        "expected '{' at the beginning of a block, found '-' (the outputs stand behind the block: } -> (y))",
    ),
    "no opset": (
        function().replace("<ios18>(", "«(»"),
        "expected '<' and an opset after the name of a function, found '(' (such as func main<ios18>(...))",
    ),
    "type behind an input": (
        function(inputs="«x»: tensor<fp16, [2, 3]>, y: fp16"), f"{IN_FRONT} (write tensor<fp16, [2, 3]> x)"
    ),
    "version without a minor one": (
        "program(«1»)", "unknown version '1' of MIL text (write program(1.3) or program(1.0))"
    ),
    "no version": ("program «{»}", "expected '(' after program, found '{' (a text begins with program(1.3))"),
    "function alone": (
        "«f»unc main", "expected 'program' at the beginning of the text, found 'func' (it begins with program(1.3))"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", [*REPLACED, *TOLD])
def test_mistake(case: str) -> None:
    text, words = (REPLACED | TOLD)[case]
    check(text, words)


@pytest.mark.parametrize("case", REPLACED)
def test_hint_holds_when_it_is_followed(case: str) -> None:
    text, words = REPLACED[case]
    advice = re.search(r"\((?:write|such as|inputs are named:|a constant is) (.*)\)$", words)
    assert advice
    parse_proto(re.sub("«.*»", lambda _: advice[1], text))


FOLLOWED = {
    "entry": ('program(1.3)[a = dict<string, string>({"a", "b"})]{}', '{"a", "b"}', '{{"a", "b"}}'),
    "no outputs": (ending("};"), "};", "} -> (y);"),
    "no semicolon": (ending("} -> (y)"), "} -> (y)", "} -> (y);"),
    "no opset": (function().replace("<ios18>", ""), "main", "main<ios18>"),
    "type behind an input": (function(inputs="y: fp16"), "y: fp16", "fp16 y"),
    "return": (function(f"{Y} = relu(x = x);", "return y;"), "return y;", ""),
    "op in an op": (
        function(f"{Y} = tanh(x = relu(x = x));"), "tensor<fp16, [2, 3]> y = tanh(x = relu(x = x))",
        "tensor<fp16, [2, 3]> z = relu(x = x); tensor<fp16, [2, 3]> y = tanh(x = z)",
    ),
    "alias": (function(f"{Y} = x;"), "= x;", "= identity(x = x);"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLLOWED)
def test_longer_hint_holds_when_it_is_followed(case: str) -> None:
    text, wrong, right = FOLLOWED[case]
    assert faults(text)[0].hint
    parse_proto(text.replace(wrong, right))


@pytest.mark.parametrize(
    "operation", ["int32()", "fp16 (x = x)", "true(// c\n x = x)", "return()", '"int32"("a b" = x)']
)
def test_op_may_be_called_as_a_type_is(operation: str) -> None:
    parse_proto(function(f"{Y} = {operation};"))


@pytest.mark.parametrize("mistake", ["x = x, {}", "{}", "x = relu({}", "x = [{}]", "x: {}"])
def test_hints_are_short_however_long_the_text_is(mistake: str) -> None:
    for long in ("a" * 9999, f'"{"a" * 9999}"', "1, " * 9999, "[" * 9999):
        for each in faults(op(mistake.format(long))):
            assert len(each.words) < 1000


@pytest.mark.parametrize(
    "body",
    [
        f"{Y} = relu(x = NAME);",
        f"{Y} = relu(NAME = x);",
        f"{Y} = NAME(x = x);",
        f'{Y} = relu()[name = string("NAME")];',
        f"fp16 NAME = relu(x = x); int32 NAME = relu(x = NAME); {Y} = relu(x = x);",
        f'{Y} = relu(x = fp16(BLOBFILE(path = string("NAME"), offset = uint64(64))));',
        f'{Y} = relu(x = fp16(BLOBFILE(path = string("@model_path/NAME"), offset = uint64(64))));',
    ],
)
def test_messages_are_short_however_long_names_are(body: str) -> None:
    with pytest.raises(TextError) as raised:
        parse_program(function(body.replace("NAME", "n" * 1700)))
    check_error(raised.value, function(body.replace("NAME", "n" * 1700)))
