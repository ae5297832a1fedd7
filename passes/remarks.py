"""Remarks: what a pass did, did not do, and why, each about one op."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import attrs

from ..ir.diagnostics import Location

RemarkKind = Literal["passed", "missed", "failed", "analysis"]
"""`passed`: done. `missed`: not done though it could be, were something different. `failed`: tried without success.
`analysis`: a fact worth knowing, such as a constant that is left alone by policy."""

REMARK_KINDS: tuple[RemarkKind, ...] = get_args(RemarkKind)


@attrs.frozen(kw_only=True)
class Remark:
    """One remark.

    Attributes:
        kind: see `RemarkKind`.
        pass_name: who says it.
        function: the function that the op stands in.
        op: the op's name.
        op_type: the op's type.
        code: a short fixed word for the reason, for machines.
        message: the reason, for people.
        suggestion: what would change it.
        source: where the rule comes from.
        data: figures, such as bytes before and after.
        location: where the op stands in the text that the program came from.
    """

    kind: RemarkKind
    pass_name: str
    function: str
    op: str
    op_type: str
    code: str
    message: str
    suggestion: str | None = None
    source: str | None = None
    data: dict[str, Any] = attrs.field(factory=dict)
    location: Location | None = None

    def __str__(self) -> str:
        """`missed: op 'w' (const) in main: why [suggestion] {pass}`, behind its place in a text if it has one."""
        place = f"{self.location}: " if self.location else ""
        advice = f" [{self.suggestion}]" if self.suggestion else ""
        return (
            f"{place}{self.kind}: op {self.op!r} ({self.op_type}) in {self.function}: {self.message}{advice} "
            f"{{{self.pass_name}}}"
        )

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        found = {name: getattr(self, name) for name in attrs.fields_dict(Remark)}
        return found | {"data": _plain(self.data), "location": place_of(self.location)}


def place_of(location: Location | None) -> dict[str, Any] | None:
    """A place without its picture."""
    return None if location is None else {"file": location.file, "line": location.line, "column": location.column}


def _plain(value: Any) -> Any:
    """A value of what JSON and YAML have; passes may give arrays, tuples and numpy's numbers."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or type(value) in (bool, int, float, str):
        return value
    return _plain(value.tolist()) if hasattr(value, "tolist") else str(value)
