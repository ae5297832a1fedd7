"""Remarks: what a pass did, did not do, and why, each about one op."""

from __future__ import annotations

from typing import Any, Literal

import attrs

RemarkKind = Literal["passed", "missed", "failed", "analysis"]
"""`passed`: done. `missed`: not done though it could be, were something different. `failed`: tried without success.
`analysis`: a fact worth knowing, such as a constant that is left alone by policy."""


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

    def __str__(self) -> str:
        """`missed: op 'w' (const) in main: why [suggestion] {pass}`."""
        advice = f" [{self.suggestion}]" if self.suggestion else ""
        return (
            f"{self.kind}: op {self.op!r} ({self.op_type}) in {self.function}: {self.message}{advice} "
            f"{{{self.pass_name}}}"
        )
