"""Texts that no parser likes: real ones that were damaged, and such as are made to exhaust time, stack or memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from .source_tree import ROOT

# Every construct of the syntax, in both spellings of scalars.
EVERYTHING = r"""// A comment in front.
program(1.3)
[buildInfo = dict<string, string>({{"a", "b"}, {"\"", "\\\n\u00e9"}}), empty = dict<string, string>({}),
 shapes = tuple<tuple<string, dict<string, tensor<int32, [?]>>>,
                tuple<string, dict<string, list<tensor<int32, [2]>, ?>>>>(
   (("DefaultShapes", {{"x", [1, 2]}}), ("RangeDims", {{"x", [[1, 1], [1, 9]]}})))]
{
    func main<ios18>(tensor<fp16, [1, ?, ...]> x, state<tensor<fp16, [2, 3]>> "a state", int32 flag) [a = bool(true)] {
            tensor<fp16, [2, 3]> state = read_state(input = "a state")[name = string("read")];
            tensor<fp16, []> scalar = const()[name = tensor<string, []>("s"), val = tensor<fp16, []>(-0x1.8p-3)];
            tensor<int4, [2, 3]> w = const()[val = tensor<int4, [2, 3]>([[-8, 7, 0], // a comment in a row
              [1, 2, 3]])];
            tensor<fp16, [64, 2]> stored = const()[name = string("stored"), val = tensor<fp16, [64, 2]>(
              BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64(64)))];
            tensor<fp16, [64, 2]> elided = const()[val = tensor<fp16, [64, 2]>(ELIDED(
              digest = tensor<string, []>("sha256:0123456789abcdef")))];
            tensor<fp32, [2, 2]> f = const()[val = tensor<fp32, [2, 2]>([[inf, -inf], [nan, 1e-3]])];
            tensor<string, [2]> t = const()[val = tensor<string, [2]>(["", "]"])];
            tensor<bool, [2]> b = const()[val = tensor<bool, [2]>([true, false])];
            tensor<fp32, [3, 0]> none = const()[val = tensor<fp32, [3, 0]>([[], [], []])];
            list<string, 2> labels = const()[val = list<string, 2>(["a", "b"])];
            tensor<fp16, [2, 1]> left, tensor<fp16, [2, 2]> right = split(axis = int32(1), x = state);
            tensor<fp16, [2, 3]> joined = concat(axis = int32(1), interleave = bool(false), values = (left, right));
            tensor<fp16, [2, 3]> chosen = cond(pred = flag)[name = string("c")] {
                    tensor<fp16, [2, 3]> yes = relu(x = joined);
                } -> (yes)
                () {
                } -> (state);
            write_state(data = chosen, input = "a state")[name = string("write")];
        } -> (chosen, x);
    func "an other"<ios15>() {
        } -> ();
}
"""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\w.+-]+|\s+|.', re.DOTALL)
_JUNK = (
    *"()[]{}<>,;=?\"\\.-+'", "->", "...", "//", "/*", "0", "-1", "7", "999", "99999999999", "9223372036854775807",
    "18446744073709551616", "-0x1p-149", "0x", "1e", "1e999", "nan", "-inf", "tensor<fp32, [2]>", "tensor<", "list<",
    "dict<", "tuple<", "state<", "string", "int4", "uint64", "BLOBFILE", "ELIDED", "program", "func", "main", "ios18",
    "const", "cond", "name", "val", "true", "\n", "\r", "\t", "\0", "\x1c", "\x85", "\xa0", "\u2028", "\u202e",
    "\ufeff", "é", "e\u0301", "\u0661", "\U0001f600", "\x7f", "\\u12", "\\x",
)  # fmt: skip


def tokens(text: str) -> list[str]:
    """A text in pieces: words, numbers, strings, marks, blanks."""
    return _TOKEN.findall(text)


def seeds() -> list[str]:
    """Texts to damage: `EVERYTHING`, one program for each op, and those that stand beside the project, if any do."""
    files = sorted((Path(__file__).parent.parent / "text" / "ops").glob("*.mil"))
    shared = sorted((ROOT.parent / "shared" / "mil").glob("*.mil"))
    return [EVERYTHING] + [file.read_text("utf-8").split("\n// -----")[0] for file in [*files, *shared]]


def truncations(text: str) -> Iterator[str]:
    """A text cut off before each of its tokens."""
    found = ""
    for token in tokens(text):
        yield found
        found += token


def damaged(rng: Random, texts: list[str]) -> str:
    """One of the texts with one to four faults: in characters, in tokens, or a part of another text inside it."""
    text = rng.choice(texts)
    for _ in range(rng.randint(1, 4)):
        text = rng.choice(_DAMAGES)(rng, text, texts)
    return text


def _drop_characters(rng: Random, text: str, _: list[str]) -> str:
    start = rng.randrange(len(text) + 1)
    return text[:start] + text[start + rng.choice((1, 1, 2, 30)) :]


def _insert_junk(rng: Random, text: str, _: list[str]) -> str:
    start = rng.randrange(len(text) + 1)
    return text[:start] + rng.choice(_JUNK) * rng.choice((1, 1, 1, 2, 100)) + text[start:]


def _repeat_characters(rng: Random, text: str, _: list[str]) -> str:
    start = rng.randrange(len(text) + 1)
    stop = start + rng.choice((1, 2, 50))
    return text[:stop] + text[start:stop] * rng.choice((1, 1, 70)) + text[stop:]


def _change_token(rng: Random, text: str, texts: list[str]) -> str:
    found = tokens(text)
    if not found:
        return text
    place = rng.randrange(len(found))
    found[place] = rng.choice((rng.choice(_JUNK), "", rng.choice(found), rng.choice(tokens(rng.choice(texts)) or [""])))
    return "".join(found)


def _swap_tokens(rng: Random, text: str, _: list[str]) -> str:
    found = tokens(text)
    if not found:
        return text
    one, other = rng.randrange(len(found)), rng.randrange(len(found))
    found[one], found[other] = found[other], found[one]
    return "".join(found)


def _splice(rng: Random, text: str, texts: list[str]) -> str:
    other = rng.choice(texts)
    start = rng.randrange(len(other) + 1)
    place = rng.randrange(len(text) + 1)
    return text[:place] + other[start : start + rng.choice((5, 50, 500))] + text[place:]


_DAMAGES = (_drop_characters, _insert_junk, _repeat_characters, _change_token, _change_token, _swap_tokens, _splice)


# --- texts that are meant to exhaust something, of about `size` characters


def attribute(value: str) -> str:
    """A program that is one attribute."""
    return f"program(1.3)\n[a = {value}]\n{{\n}}\n"


def body(operations: str) -> str:
    """A program that is one function."""
    return f"program(1.3)\n{{\nfunc main<ios18>() {{\n{operations}}} -> ();\n}}\n"


def nested(depth: int, opening: str, innermost: str, closing: str) -> str:
    """Something inside `depth` pairs of brackets."""
    return opening * depth + innermost + closing * depth


def row(element: str, size: int, dtype: str, separator: str = ", ") -> str:
    """A program that is one tensor of equal elements."""
    count = size // len(element + separator)
    return attribute(f"tensor<{dtype}, [{count}]>([{separator.join([element] * count)}])")


def numbered(form: str, size: int, separator: str = "") -> str:
    """A form filled with one number after the other."""
    count = size // len(form.format(10_000) + separator)
    return separator.join(form.format(10_000 + index) for index in range(count))


HOSTILE: dict[str, Callable[[int], str]] = {
    "nothing": lambda _: "",
    "open parentheses": lambda size: "(" * size,
    "quotes": lambda size: '"' * size,
    "backslashes": lambda size: "\\" * size,
    "signs": lambda size: "program(" + "-" * size,
    "blank lines": lambda size: "\n" * size,
    "blanks": lambda size: " " * size,
    "comments": lambda size: "//\n" * (size // 3),
    "comment without an end": lambda size: f"program(1.3) // {'a' * size}",
    "NULs": lambda size: "\0" * size,
    "emoji": lambda size: "\U0001f600" * size,
    "combining marks": lambda size: "program" + "\u0301" * size,
    "lone surrogates": lambda size: attribute(f'string("{chr(0xD800) * size}")'),
    "surrogate as a name": lambda _: attribute("int32(1)").replace("a =", f'"{chr(0xDFFF)}" ='),
    "wide digits": lambda size: attribute(f"int32({chr(0x661) * size})"),
    "list types": lambda size: attribute("list<" * (size // 5)),
    "tuple types": lambda size: attribute("tuple<" * (size // 6)),
    "dictionary types": lambda size: attribute("dict<string, " * (size // 13)),
    "state types": lambda size: attribute("state<" * (size // 6)),
    "type without an end": lambda size: attribute("tuple<" + "int32, " * (size // 7)),
    "axes": lambda size: attribute(f"tensor<fp32, [{'1, ' * (size // 4)}1]>({'[' * (size // 4)}"),
    "rows": lambda size: attribute(f"tensor<fp32, [1]>({'[' * size}"),
    "rows of nothing": lambda size: attribute(f"tensor<fp32, [{size // 4}, 0]>([{', '.join(['[]'] * (size // 4))}])"),
    "dictionary braces": lambda size: attribute(f"dict<string, string>({'{' * size}"),
    "tuple parentheses": lambda size: attribute(f"tuple<string>({'(' * size}"),
    "blocks": lambda size: body("c() {" * (size // 5)),
    "blocks with inputs": lambda size: body("c() () {" * (size // 8)),
    "arguments": lambda size: body(f"c(x = {'(' * size}"),
    "string without an end": lambda size: attribute('string("' + "a" * size),
    "string of many lines": lambda size: attribute('string("' + "a\n" * (size // 2) + '")'),
    "string of escapes": lambda size: attribute('string("' + "\\n" * (size // 2) + '")'),
    "string that ends escaped": lambda size: attribute('string("' + "\\\\" * (size // 2) + '\\")'),
    "unknown escape": lambda size: attribute('string("' + "\\n" * (size // 2) + '\\q")'),
    "long name": lambda size: body(f"fp16 {'x' * size} = c();\n"),
    "long word for a type": lambda size: attribute("x" * size + "(1)"),
    "long opset": lambda size: body("").replace("ios18", "x" * size),
    "long number": lambda size: attribute(f"fp32({'1' * size})"),
    "long whole number": lambda size: attribute(f"int32({'1' * size})"),
    "long hexadecimal number": lambda size: attribute(f"fp32(0x{'1' * size}p-{4 * size})"),
    "long hexadecimal integer": lambda size: attribute(f"uint64(0x{'1' * size})"),
    "long exponent": lambda size: attribute(f"fp32(1e{'9' * size})"),
    "long binary exponent": lambda size: attribute(f"fp32(0x1p{'9' * size})"),
    "long dimension": lambda size: attribute(f"tensor<fp32, [{'9' * size}]>([])"),
    "long version": lambda size: f"program({'1' * size})",
    "dots": lambda size: attribute(f"fp32({'.' * size})"),
    "huge dimension": lambda _: attribute("tensor<fp32, [99999999999]>([0x1p+0])"),
    "huge dimensions": lambda size: attribute(f"tensor<int4, [{'99999999999, ' * (size // 13)}0]>([])"),
    "huge list": lambda _: attribute("list<string, 9223372036854775807>([])"),
    "many types": lambda size: body(numbered("tensor<fp32, [{}]> x = c();\n", size)),
    "many attributes": lambda size: f"program(1.3)[{numbered('a{} = int32(1)', size, ', ')}]{{}}",
    "an attribute twice": lambda size: f"program(1.3)[{'a = int32(1), ' * (size // 14)}]{{}}",
    "many functions": lambda size: "program(1.3){" + numbered("func f{}<ios15>() {{}} -> ();\n", size) + "}",
    "many ops": lambda size: body(numbered("fp16 x{} = c(x = y);\n", size)),
    "many empty ops": lambda size: body("c();" * (size // 4)),
    "many results": lambda size: body(numbered("fp16 x{}", size, ", ") + " = c();\n"),
    "many arguments": lambda size: body(f"c({numbered('x{} = y', size, ', ')});\n"),
    "many operands": lambda size: body(f"c(x = ({numbered('y{}', size, ', ')}));\n"),
    "many outputs": lambda size: body("")[:-5] + f"{numbered('y{}', size, ', ')});\n}}\n",
    "many entries": lambda size: attribute("dict<string, int32>({" + numbered('{{"{}", 1}}', size, ", ") + "})"),
    "many lists": lambda size: attribute(f"list<list<int32, 1>, ?>([{', '.join(['[1]'] * (size // 5))}])"),
    "one type, many empty lists": lambda size: attribute(
        f"list<list<tuple<{', '.join(['int32'] * (size // 14))}>, 0>, ?>([{', '.join(['[]'] * (size // 8))}])"
    ),
    "one shape, many empty tensors": lambda size: attribute(
        f"list<tensor<int32, [0{', 1' * (size // 6)}]>, ?>([{', '.join(['[]'] * (size // 8))}])"
    ),
    "many strings": lambda size: row('"a"', size, "string"),
    "many floats": lambda size: row("-0x1.4ad556p-3", size, "fp32"),
    "many halves": lambda size: row("0x1p+0", size, "fp16"),
    "many bytes": lambda size: row("-1", size, "int8"),
    "many bits": lambda size: row("1", size, "uint1", ","),
    "many truth values": lambda size: row("true", size, "bool"),
    "elements on lines": lambda size: row("1", size, "int32", ", // one\n"),
    "a bad element": lambda size: row("1", size, "int32").replace("1])", "x])"),
    "no commas": lambda size: row("1", size, "int32", " "),
    "spaces between": lambda size: attribute(f"tensor<int32, [2]>([1{' ' * size}, 2])"),
}  # fmt: skip

# Nesting as deep as is asked for, all of it well formed.
NESTED: dict[str, Callable[[int], str]] = {
    "lists": lambda depth: attribute(f"{nested(depth, 'list<', 'int32', ', 1>')}({nested(depth, '[', '1', ']')})"),
    "tuples": lambda depth: attribute(f"{nested(depth, 'tuple<', 'int32', '>')}({nested(depth, '(', '1', ')')})"),
    "dictionaries": lambda depth: attribute(
        f"{nested(depth, 'dict<int8, ', 'int32', '>')}({nested(depth, '{{7, ', '1', '}}')})"
    ),
    "axes": lambda depth: attribute(f"tensor<int32, [{', '.join(['1'] * depth)}]>({nested(depth, '[', '1', ']')})"),
    "blocks": lambda depth: body(nested(depth, "c() { ", "", "} -> ();")),
    "states": lambda depth: body(f"{nested(depth, 'state<', 'int32', '>')} x = c();"),
}

# Programs that parse but hardly are valid: each fault has a place to be found.
FAULTY: dict[str, Callable[[int], str]] = {
    "many outputs": HOSTILE["many outputs"],
    "many ops": HOSTILE["many ops"],
    "many empty ops": HOSTILE["many empty ops"],
    "many functions": HOSTILE["many functions"],
    "many inputs": lambda size: body(f"fp16 x = relu({numbered('x{} = y', size, ', ')});\n"),
    "one name for all": lambda size: body('fp32 x = relu(x = x)[name = string("x")];\n' * (size // 42)),
}
