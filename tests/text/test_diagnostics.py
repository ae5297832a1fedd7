"""What a faulty text is told: the words, the place, and the picture of it; every fault, and none that follows."""

from __future__ import annotations

import pytest
from milopt.ir.diagnostics import TextError
from milopt.ir.text.parser import parse_proto
from milopt.ir.text.reading import parse_program
from support.hostile_texts import attribute
from support.marked_texts import INDENT, Y, check, faults, function

MEND = " (mend the declared type, or the op's inputs)"


# --- texts that do not parse: the first fault is told

BEGINNING = "at the beginning of the text"
ESCAPES = r"known are \\ \" \n \t \r \0 \xHH \uHHHH \UHHHHHHHH"
INT32 = "-2147483648 to 2147483647"
SYNTAX = {
    "another header": (
        "«p»rogam(1.3)", f"expected 'program' {BEGINNING}, found 'progam' (it begins with program(1.3))"
    ),
    "unknown version": (
        "program(«1».4)\n{\n}\n", "unknown version '1.4' of MIL text (write program(1.3) or program(1.0))"
    ),
    "too much": ("program(1.3)\n{\n}\n«}»", "expected the end of the text, found '}'"),
    "no function": ("program(1.3)\n{\n  «f»un main<ios18>()", "expected 'func' or '}' in the program, found 'fun'"),
    "unknown opset": (function().replace("ios18", "«ios81»"), "unknown opset 'ios81' (did you mean 'ios18'?)"),
    "no opset": (
        function().replace("<ios18>(", "«(»"),
        "expected '<' and an opset after the name of a function, found '(' (such as func main<ios18>(...))",
    ),
    "a function twice": (
        "program(1.3)\n{\n func ff<ios18>() {} -> ();\n func «ff»<ios15>() {} -> ();\n}",
        "the function 'ff' is defined twice",
    ),
    "input without a name": (
        function(inputs="fp16«)»").replace("») {", "» {"), "expected the name of this input, found ')'"
    ),
    "unknown type": (attribute("«int33»(1)"), "unknown type 'int33' (did you mean 'uint3'?)"),
    "unknown element type": (
        attribute("tensor<«fp17», [1]>([1])"), "unknown element type 'fp17' (did you mean 'fp16'?)"
    ),
    "no type at all": (
        attribute("«foo»(1)"),
        "unknown type 'foo' (known are tensor, list, dict, tuple, state and element types such as fp16)",
    ),
    "no shape": (attribute("tensor<fp16, «1»>([1])"), "expected '[' at the beginning of the shape, found '1'"),
    "negative dimension": (attribute("tensor<fp16, [«-1»]>([1])"), "'-1' is no dimension (a whole number or '?')"),
    "attribute twice": (attribute("int32(1), «a» = int32(2)"), "the attribute 'a' is given twice"),
    "no comma": (attribute("int32(1) «b» = int32(2)"), "expected ',' or ']' after an attribute, found 'b'"),
    "untyped value": (attribute('«"a"»'), 'a value needs its type (write string("a"))'),
    "open string": (
        attribute('string(«"»abc)'), 'this string does not end on its line (strings end with ", line breaks are \\n)'
    ),
    "unknown escape": (attribute('string("a«\\q»b")'), f"this escape is unknown ({ESCAPES})"),
    "escaped surrogate": (attribute('string("«\\u»D800")'), f"this escape is unknown ({ESCAPES})"),
    "no number": (attribute("fp16(«abc»)"), "expected a number of type fp16, found 'abc'"),
    "no element": (attribute("tensor<int32, [2]>([1, «,» 2])"), "expected a whole number of type int32, found nothing"),
    "no comma between elements": (
        attribute("tensor<int32, [2]>([«1 2»])"), "expected a whole number of type int32, found '1 2'"
    ),
    "element out of range": (
        attribute("tensor<int32, [2]>([1, «300000000000»])"), f"300000000000 is outside the range of int32: {INT32}"
    ),
    "too few elements": (attribute("tensor<int32, [3]>(«[1, 2]»)"), "2 elements where the shape says 3"),
    "too few in a row": (attribute("tensor<int32, [2, 2]>([[1, 2], «[3]»])"), "1 element where the shape says 2"),
    "number for a tensor": (attribute("tensor<int32, [2]>(«7»)"), "expected '[' for the shape [2], found '7'"),
    "ambiguous shape": (
        attribute("tensor<int32, [?, ?]>(«[»[1]])"),
        "a value of the shape [?, ?] is ambiguous (state all sizes in its type)",
    ),
    "state with a value": (attribute("state<int32>(«1»)"), "states have no values"),
    "short tuple": (attribute("tuple<int32, int32>((1«)»)"), "expected ',' in a tuple of 2, found ')'"),
    "long tuple": (attribute("tuple<int32>((1«,» 2))"), "expected ')' at the end of a tuple of 1, found ','"),
    "entry that is none": (
        attribute('dict<string, int32>({«"»a", 1})'),
        'expected \'{\' at the beginning of an entry: {key, value}, found a string (each has braces: {{"a", "b"}})',
    ),
    "path that is none": (
        attribute("fp16(BLOBFILE(path = «int32»(1), offset = uint64(64)))"), "the path must be a string"
    ),
    "no path": (
        attribute('fp16(BLOBFILE(«offset» = uint64(64), path = string("w")))'), "expected 'path', found 'offset'"
    ),
    "no offset": (
        attribute('fp16(BLOBFILE(path = string("w")«)»)'), "expected ',' between the path and the offset, found ')'"
    ),
    "short list": (attribute("list<int32, 2>(«[»1])"), "the list has 1 element, its type says 2"),
    "digest that is none": (
        attribute('fp16(ELIDED(«d»igest = string("md5")))'),
        "this is no digest (they are sha256: and 16 hexadecimal digits)",
    ),
    "value without a type": (
        function("«y» = relu(x = x);"), "a value needs its type in front (such as tensor<fp16, [1, 2]> y = ...)"
    ),
    "value of an unknown type": (
        function("«tensr»<fp16, [2, 3]> y = relu(x = x);"), "unknown type 'tensr' (did you mean 'tensor'?)"
    ),
    "value of an unknown short type": (
        function("«fp18» y = relu(x = x);"), "unknown type 'fp18' (did you mean 'fp16'?)"
    ),
    "no equals sign": (function(f"{Y} «r»elu(x = x);"), "expected '=' after the outputs of an op, found 'relu'"),
    "no op": (function(f"{Y} = «(»x = x);"), "expected the type of an op, found '('"),
    "no value": (function(f"{Y} = relu(x = «)»;"), "expected a value or its name, found ')'"),
    "an input twice": (function(f"{Y} = add(x = x, «x» = x);"), "the input 'x' is given twice"),
    "no name of an input": (function(f"{Y} = relu(x «x»);"), "expected '=' after the name of an input, found 'x'"),
    "no bracket": (
        function(f'{Y} = relu(x = x)[name = string("y")«;»'), "expected ',' or ']' after an attribute, found ';'"
    ),
    "no op at all": (function("«4»;"), "expected an op or '}', found '4'"),
    "no comma between outputs": (function(outputs="y «z»"), "expected ',' or ')' after an output, found 'z'"),
}  # fmt: skip


@pytest.mark.parametrize("case", SYNTAX)
def test_text_that_does_not_parse(case: str) -> None:
    text, words = SYNTAX[case]
    check(text, words)


def test_what_is_missing_at_the_end_of_a_line_is_missing_there() -> None:
    (found,) = faults(function(f"{Y} = relu(x = x)  // no more", "fp16 z = f();"))
    line = f"{INDENT}{Y} = relu(x = x)"
    place = f"<text>:4:{len(line) + 1}: error: expected ';' at the end of an op, found 'fp16'"
    assert found.render() == f"{place}\n{line}  // no more\n{' ' * len(line)}^"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "1:1", "expected 'program' at the beginning of the text, found the end of the text"),
        ("// only this\n", "2:1", "expected 'program' at the beginning of the text, found the end of the text"),
        ("program(1.3)", "1:13", "expected '{' at the beginning of the program, found the end of the text"),
        ("program(1.3)\n{", "2:2", "expected 'func' or '}' in the program, found the end of the text"),
        ("program(1.3)\n{\n", "3:1", "expected 'func' or '}' in the program, found the end of the text"),
        ('program(1.3)\n[a = string("', "2:13", "this string does not end on its line"),
    ],
)
def test_text_that_ends_too_early(text: str, place: str, words: str) -> None:
    (found,) = faults(text)
    assert str(found.location) == f"<text>:{place}"
    assert found.message == words
    line = text.split("\n")[int(place[0]) - 1]
    # An empty line has no picture.
    picture = f"\n{line}\n{' ' * (int(place[2:]) - 1)}^" if line else ""
    assert found.render() == f"<text>:{place}: error: {found.words}{picture}"


# --- pictures


def test_picture_of_a_fault() -> None:
    text = "program(1.3)\n{\n    func main<ios18>() {\n        int33 k = const()[val = int32(1)];\n    } -> (k);\n}\n"
    (found,) = faults(text.replace("int33 k", "tensor<int33, []> k"))
    assert found.render() == (
        "<text>:4:16: error: unknown element type 'int33' (did you mean 'uint3'?)\n"
        "        tensor<int33, []> k = const()[val = int32(1)];\n"
        "               ^~~~~"
    )


def test_picture_keeps_tabs() -> None:
    text = function("\t\ttensor<fp16, [2, 3]>\ty\t=\t«relo»(x = x);")
    check(text, "op 'y': unknown op 'relo' (did you mean 'relu'?)")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_picture_is_the_same_with_line_ends_of_windows(end: str) -> None:
    text = function(f"{Y} = relu(x = z);", f"{Y}y = relo(x = y);").replace("\n", end)
    first, second = faults(text)
    assert first.render().splitlines()[1:] == [f"{INDENT}{Y} = relu(x = z);", " " * 46 + "^"]
    assert (str(first.location), str(second.location)) == ("<text>:4:47", "<text>:5:39")
    (missing,) = faults(f"program(1.3){end}{{{end}func main<ios18>() {{ }} -> (){end}}}{end}")
    said = "expected ';' at the end of a function, found '}' (write } -> ();)"
    assert missing.render() == f"<text>:3:29: error: {said}\nfunc main<ios18>() {{ }} -> ()\n{' ' * 28}^"


@pytest.mark.parametrize("before", [0, 10, 79, 80, 81, 500, 20_000])
@pytest.mark.parametrize("after", [0, 3, 79, 80, 81, 20_000])
def test_picture_of_a_long_line_is_a_part_of_it(before: int, after: int) -> None:
    text = attribute(f"tensor<int32, [{before + after + 1}]>([{'1, ' * before}zz{', 2' * after}])")
    (found,) = faults(text)
    assert found.location is not None
    assert (found.location.line, found.location.column) == (2, text.split("\n")[1].index("zz") + 1)
    head, line, carets = found.render().split("\n")
    assert head.endswith(": error: expected a whole number of type int32, found 'zz'")
    assert line[carets.index("^") :][:2] == "zz"
    assert carets.strip() == "^~"
    assert len(line) <= 166
    shown = line.removeprefix("...").removesuffix("...")
    assert shown in text
    assert line.startswith("...") == (not text.split("\n")[1].startswith(shown))
    assert line.endswith("...") == (not text.split("\n")[1].endswith(shown))


def test_carets_stay_within_what_is_shown() -> None:
    (found,) = faults(attribute(f"tensor<int32, [3]>([{'1, ' * 999}1])"))
    _, line, carets = found.render().split("\n")
    assert len(carets) <= len(line)
    assert line[carets.index("^")] == "["


def test_fault_of_an_op_over_several_lines_is_shown_on_its_own() -> None:
    text = function(f"{Y} = add(", "  x = x,", "  y = «nope»", ");")
    check(text, "op 'y': 'nope' is not defined")


def test_name_of_the_text_is_told() -> None:
    with pytest.raises(TextError) as caught:
        parse_proto("\nprogam", "folder/model.mil")
    assert str(caught.value) == (
        f"folder/model.mil:2:1: expected 'program' {BEGINNING}, found 'progam' (it begins with program(1.3))"
    )


# --- programs that are not valid: every fault is told

PROGRAMS = {
    "unknown op": (f"{Y} = «rulu»(x = x);", "op 'y': unknown op 'rulu' (did you mean 'relu'?)"),
    "undefined value": (f"{Y} = relu(x = «flag»);", "op 'y': 'flag' is not defined"),
    "misspelt value": (
        f"fp16 scale = const()[val = fp16(1)]; {Y} = mul(x = x, y = «scales»);",
        "op 'y': 'scales' is not defined (did you mean 'scale'?)",
    ),
    "op that uses itself": (
        f"{Y} = relu(x = «y»);",
        "op 'y': 'y' is what this op itself gives (give it a value that is defined before it)",
    ),
    "op that uses the next": (
        f"tensor<fp16, [2, 3]> a = relu(x = «y»); {Y} = relu(x = x);",
        "op 'a': 'y' is used before it is defined (move its op up)",
    ),
    "undefined value in a group": (
        f"{Y} = concat(axis = int32(0), interleave = bool(false), values = (x, «nope»));",
        "op 'y': 'nope' is not defined",
    ),
    "unknown input": (f"{Y} = relu(«z» = x);", "op 'y': relu has no input 'z' in the opset iOS18 (it has x)"),
    "missing input": (f"{Y} = «add»(x = x);", "op 'y': its required input 'y' is missing (give it: y = ...)"),
    "wrong shape": (
        "«tensor<fp16, [2, 4]> y» = relu(x = x);",
        f"op 'y': output 'y' is declared as tensor<fp16, [2, 4]> but inferred as tensor<fp16, [2, 3]>{MEND}",
    ),
    "wrong element type": (
        "«tensor<fp32, [2, 3]> y» = relu(x = x);",
        f"op 'y': output 'y' is declared as tensor<fp32, [2, 3]> but inferred as tensor<fp16, [2, 3]>{MEND}",
    ),
    "constant without a value": (
        'fp16 y = «const»()[name = string("y")];',
        "op 'y': its required attribute 'val' is missing (give it: val = ...)",
    ),
    "name that is taken": (
        "«tensor<fp16, [2, 3]> x» = relu(x = x);",
        "op 'x': the name 'x' is defined twice (names are unique where they are visible)",
    ),
    "weight outside of the folder": (
        'fp16 y = const()[val = «fp16(BLOBFILE(path = string("/etc/passwd"), offset = uint64(64)))»];',
        "op 'y': the weight path '/etc/passwd' leaves the package (weight paths begin with @model_path/)",
    ),
    "op with another name": (
        f'{Y} = relu(x = «z»)[name = string("the op")];', "op 'the op': 'z' is not defined"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PROGRAMS)
def test_program_that_is_not_valid(case: str) -> None:
    operation, words = PROGRAMS[case]
    outputs = "x" if case == "name that is taken" else "y"
    check(function(operation, outputs=outputs), words)


def test_undefined_output() -> None:
    check(function(outputs="x, «zz»"), "the block's outputs: 'zz' is not defined")


def test_input_that_is_given_twice() -> None:
    check(
        function(outputs="x", inputs="«tensor<fp16, [2, 3]> x», tensor<fp16, [2]> x"),
        "input 'x': the name 'x' is defined twice (names are unique where they are visible)",
    )


def test_op_of_a_later_opset() -> None:
    text = function(f"{Y} = «scaled_dot_product_attention»(query = x, key = x, value = x);").replace("ios18", "ios17")
    check(text, "op 'y': op 'scaled_dot_product_attention' is not in the opset iOS17 (it came with iOS18)")


def test_output_that_an_op_does_not_have_is_placed_at_the_op() -> None:
    found = faults(function(f"{Y}, tensor<fp16, [2, 3]> z = relu(x = x);"))
    assert [(each.location.column, each.location.length) for each in found if each.location] == [(62, 4)]


def test_every_fault_is_told_in_the_order_of_the_text() -> None:
    text = function(
        "tensor<fp16, [2, 3]> a = «rulu»(x = x);",
        "tensor<fp16, [2, 3]> b = relu(x = «q»);",
        "tensor<fp16, [2, 3]> good = relu(x = x);",
        "«tensor<fp16, [9, 3]> y» = relu(x = good);",
        "tensor<fp16, [2, 3]> c = add(x = «p», y = «r»);",
        outputs="y, «nothing»",
    )
    check(
        text,
        "op 'a': unknown op 'rulu' (did you mean 'relu'?)",
        "op 'b': 'q' is not defined",
        f"op 'y': output 'y' is declared as tensor<fp16, [9, 3]> but inferred as tensor<fp16, [2, 3]>{MEND}",
        "op 'c': 'p' is not defined",
        "op 'c': 'r' is not defined",
        "the block's outputs: 'nothing' is not defined",
    )


def test_faults_of_every_function_and_block_are_told() -> None:
    text = f"""program(1.3)
{{
    func main<ios18>(tensor<fp16, [2, 3]> x) {{
            bool flag = const()[val = bool(true)];
            tensor<fp16, [2, 3]> c = cond(pred = flag) () {{
                    {Y} = «relo»(x = x);
                }} -> (y)
                () {{
                    {Y} = relu(x = «z»);
                }} -> (y);
        }} -> (c);
    func second<ios18>(tensor<fp16, [2, 3]> x) {{
            {Y} = relu(x = «c»);
        }} -> (y);
}}
"""
    check(
        text,
        "op 'y': unknown op 'relo' (did you mean 'relu'?)",
        "op 'y': 'z' is not defined",
        "op 'y': 'c' is not defined",
    )


def test_missing_weight_file_is_told_once() -> None:
    weight = 'const()[val = tensor<fp16, [2, 3]>(BLOBFILE(path = string("@model_path/w.bin"), offset = uint64(64)))];'
    first, second = faults(
        function(f"tensor<fp16, [2, 3]> v = {weight}", f"tensor<fp16, [2, 3]> w = {weight}", f"{Y} = relu(x = z);")
    )
    assert "w.bin: the weight file is missing" in first.message
    assert (str(first.location), str(second.location)) == ("<text>:4:52", "<text>:6:47")


def test_each_weight_that_is_elided_is_told() -> None:
    weight = 'const()[val = fp16(ELIDED(digest = string("sha256:%016x")))];'
    found = faults(function(f"fp16 v = {weight % 1}", f"fp16 w = {weight % 2}", outputs="v"))
    assert [each.location.line for each in found if each.location] == [4, 5]
    assert found[0].message == f"the text elides this weight: it says no more than its digest sha256:{1:016x}"


def test_error_of_several_faults_is_one_line() -> None:
    with pytest.raises(TextError) as caught:
        parse_program(function("fp16 a = f();", "fp16 b = g();", "fp16 y = h();"), name="m.mil")
    assert str(caught.value) == "m.mil:4:22: op 'a': unknown op 'f'; 2 more faults"


# --- what follows from a fault is not told


def chain(first: str, kind: str = "tensor<fp16, [2, 3]>") -> str:
    """Ops that all depend on the first, each declared as `kind`."""
    return function(
        first,
        f"{kind} b = relu(x = a);",
        f"{kind} c = add(x = a, y = b);",
        f"{kind} d = mul(x = c, y = c);",
        f"{kind} y = concat(axis = int32(0), interleave = bool(false), values = (d));",
    )


def test_nothing_follows_from_an_undefined_name() -> None:
    check(chain("tensor<fp16, [2, 3]> a = relu(x = «z»);"), "op 'a': 'z' is not defined")


def test_nothing_follows_from_an_unknown_op() -> None:
    check(chain("tensor<fp16, [2, 3]> a = «rulu»(x = x);"), "op 'a': unknown op 'rulu' (did you mean 'relu'?)")


@pytest.mark.parametrize("kind", ["tensor<fp16, [2, 3]>", "tensor<fp16, [2, 4]>"], ids=["inferred", "declared"])
def test_nothing_follows_from_a_wrong_declared_type(kind: str) -> None:
    check(
        chain("«tensor<fp16, [2, 4]> a» = relu(x = x);", kind),
        f"op 'a': output 'a' is declared as tensor<fp16, [2, 4]> but inferred as tensor<fp16, [2, 3]>{MEND}",
    )


def test_nothing_follows_from_a_bad_constant() -> None:
    text = function(
        'int32 axis = «const»()[name = string("axis")];',
        "tensor<fp16, [2, 3]> a = softmax(axis = axis, x = x);",
        "tensor<fp16, [2, 7]> y = concat(axis = axis, interleave = bool(false), values = (a, x));",
    )
    check(text, "op 'axis': its required attribute 'val' is missing (give it: val = ...)")


def test_nothing_follows_from_a_missing_weight() -> None:
    place = 'BLOBFILE(path = string("@model_path/w.bin"), offset = uint64(64))'
    text = function(
        f"tensor<int32, [1]> axes = const()[val = tensor<int32, [1]>({place})];",
        "tensor<fp16, [2]> a = reduce_sum(axes = axes, keep_dims = bool(false), x = x);",
        "tensor<fp16, [2]> y = relu(x = a);",
    )
    assert [each.location.line for each in faults(text) if each.location] == [4]


def test_faults_after_a_fault_that_do_not_follow_are_told() -> None:
    text = function(
        "tensor<fp16, [2, 3]> a = relu(x = «z»);",
        "tensor<fp16, [2, 3]> b = relu(x = a);",
        "tensor<fp16, [2, 3]> c = «rolu»(x = b);",
        "«tensor<fp16, [4, 4]> y» = relu(x = b);",
    )
    check(
        text,
        "op 'a': 'z' is not defined",
        "op 'c': unknown op 'rolu' (did you mean 'relu'?)",
        f"op 'y': output 'y' is declared as tensor<fp16, [4, 4]> but inferred as tensor<fp16, [2, 3]>{MEND}",
    )
