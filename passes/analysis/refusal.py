"""Why an analysis leaves something as it is."""

from __future__ import annotations

import attrs

from ..remarks import RemarkKind


@attrs.frozen
class Refusal:
    """Why something is not quantized.

    Attributes:
        kind: `analysis` when policy says so, `missed` when something could be done about it.
        code: for machines.
        message: for people.
        suggestion: what could be done.
        source: where the rule comes from.
    """

    kind: RemarkKind
    code: str
    message: str
    suggestion: str | None = None
    source: str | None = None
