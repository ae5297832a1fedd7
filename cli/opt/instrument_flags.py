"""What the flags of `instrument_options.py` said, as one record."""

from __future__ import annotations

from pathlib import Path

import attrs


@attrs.frozen(kw_only=True)
class InstrumentFlags:
    """What the flags said; the names are those of the flags.

    Attributes:
        timing: `tree` or `list`.
        statistics: `tree` or `list`.
        remarks: `text`, `json` or `yaml`.
        remarks_filter: a regular expression.
        remarks_kinds: separated by commas.
        remarks_output: a file.
        log_rewrites: whether rewrites are told.
        print_ir_before: names of passes, separated by commas; an empty text stands for all.
        print_ir_after: the same.
        print_ir_before_all: the same as an empty `print_ir_before`.
        print_ir_after_all: the same.
        print_ir_after_change: only where something changed.
        print_ir_diff: only what changed.
        print_ir_after_failure: what a failing pass leaves.
        print_ir_function: a function's name.
        print_ir_op: an op's name.
        print_ir_program_scope: whole programs.
        print_ir_tree_dir: a folder.
        json: one document instead of texts.
    """

    timing: str | None = None
    statistics: str | None = None
    remarks: str | None = None
    remarks_filter: str | None = None
    remarks_kinds: str | None = None
    remarks_output: Path | None = None
    log_rewrites: bool = False
    print_ir_before: tuple[str, ...] = ()
    print_ir_after: tuple[str, ...] = ()
    print_ir_before_all: bool = False
    print_ir_after_all: bool = False
    print_ir_after_change: bool = False
    print_ir_diff: bool = False
    print_ir_after_failure: bool = False
    print_ir_function: str | None = None
    print_ir_op: str | None = None
    print_ir_program_scope: bool = False
    print_ir_tree_dir: Path | None = None
    json: bool = False
