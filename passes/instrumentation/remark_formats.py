"""Remarks as text for people, and as JSON or YAML for machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args

import attrs

from ..remarks import Remark

RemarkFormat = Literal["text", "json", "yaml"]
REMARK_FORMATS: tuple[RemarkFormat, ...] = get_args(RemarkFormat)

_SUFFIXES: dict[str, RemarkFormat] = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}


@attrs.frozen
class Format:
    """How remarks are written.

    Attributes:
        one: one remark, at once; None where all are written together.
        all: every remark at the end; None where each was written at once.
    """

    one: Callable[[Remark], str] | None = None
    all: Callable[[Iterable[Remark]], str] | None = None


def format_of(file_name: str) -> RemarkFormat:
    """The format that the name of a file asks for; text, if it asks for none."""
    return next((kind for suffix, kind in _SUFFIXES.items() if file_name.endswith(suffix)), "text")


def _text(remark: Remark) -> str:
    return f"{remark}\n"


def _json(remarks: Iterable[Remark]) -> str:
    """One list."""
    return json.dumps([remark.as_json() for remark in remarks], indent=2) + "\n"


def _yaml(remark: Remark) -> str:
    """A document of its own, with the kind as its tag, as compilers of the LLVM family write them."""
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc] # PyYAML is untyped
        """Knows remarks."""

    def represent(dumper: yaml.SafeDumper, remark: Remark) -> Any:
        return dumper.represent_mapping(f"!{remark.kind.capitalize()}", _document(remark))

    Dumper.add_representer(Remark, represent)
    given = {"explicit_start": True, "explicit_end": True, "sort_keys": False, "allow_unicode": True}
    text: str = yaml.dump(remark, Dumper=Dumper, width=120, **given)
    return text


def _document(remark: Remark) -> dict[str, Any]:
    """What stands in a document: keys in words of compilers, those without a value left out."""
    plain = remark.as_json()
    place = plain["location"] and {name.capitalize(): value for name, value in plain["location"].items()}
    found = {
        "Pass": remark.pass_name,
        "Name": remark.code,
        "DebugLoc": place,
        "Function": remark.function,
        "Op": remark.op,
        "OpType": remark.op_type,
        "Message": remark.message,
        "Suggestion": remark.suggestion,
        "Source": remark.source,
        "Args": plain["data"],
    }
    return {name: value for name, value in found.items() if value not in (None, {})}


FORMATS: dict[RemarkFormat, Format] = {"text": Format(one=_text), "json": Format(all=_json), "yaml": Format(one=_yaml)}
