"""Passes and named pipelines documented from their classes, for people and for `--json`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from ..base import Pass
from ..options import Option, options_of
from ..pipeline import NamedPipeline
from .docstrings import Example, examples_in, rules_in

_REFUSAL = re.compile(r"refused|left alone", re.IGNORECASE)


@attrs.frozen
class OptionDoc:
    """An option of a pass.

    Attributes:
        name: as text has it.
        takes: what values it takes, in words.
        default: as text; None if it must be given.
        choices: the words that it takes, if not all.
        help: one line.
    """

    name: str
    takes: str
    default: str | None
    choices: tuple[str, ...] = ()
    help: str = ""

    def __str__(self) -> str:
        """`dtype=int8 (int8, uint8): the type of the codes`."""
        values = f" ({', '.join(self.choices)})" if self.choices else ""
        explained = f": {self.help}" if self.help else ""
        return f"{self.name}={'...' if self.default is None else self.default}{values}{explained}"


@attrs.frozen(kw_only=True)
class Documentation:
    """A pass or a named pipeline.

    Attributes:
        name: in pipeline text.
        noun: `pass` or `pipeline`.
        anchor: what it runs on.
        coremltools_id: what coremltools calls it; None for pipelines.
        summary: one line.
        text: all that its class says.
        rules: its rules, in order.
        targets: the deployment targets that it works for, in words; empty if it does for all.
        options: see `OptionDoc`.
        statistics: what it counts, by name.
        examples: see `Example`.
    """

    name: str
    noun: str
    anchor: str
    coremltools_id: str | None
    summary: str
    text: str
    rules: tuple[str, ...] = ()
    targets: str = ""
    options: tuple[OptionDoc, ...] = ()
    statistics: Mapping[str, str] = attrs.field(factory=dict)
    examples: tuple[Example, ...] = ()

    @property
    def refusals(self) -> tuple[str, ...]:
        """The rules that tell what is refused or left alone."""
        return tuple(rule for rule in self.rules if _REFUSAL.search(rule))

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return attrs.asdict(self) | {"refusals": self.refusals}

    def __str__(self) -> str:
        """A page for people."""
        foreign = self.coremltools_id if self.coremltools_id != self.name else None
        facts = [f"runs on a {self.anchor}", self.targets, foreign and f"in coremltools: {foreign}"]
        lines = [f"{self.name} ({'; '.join(filter(None, facts))})", "", self.text]
        lines += _section("Options", map(str, self.options))
        lines += _section("Statistics", (f"{name}: {what}" for name, what in self.statistics.items()))
        return "\n".join(lines)


def _section(heading: str, rows: Iterable[str]) -> list[str]:
    indented = [f"    {row}" for row in rows]
    return ["", f"{heading}:", *indented] if indented else []


def summary_of(cls: type[Pass | NamedPipeline]) -> str:
    """What a pass or a named pipeline does, in one line."""
    return inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]


def document(cls: type[Pass | NamedPipeline]) -> Documentation:
    """The documentation of a pass or a named pipeline of ours or of other distributions."""
    text = inspect.cleandoc(cls.__doc__ or "")
    name, is_pass = cls.pass_name(), issubclass(cls, Pass)
    return Documentation(
        name=name,
        noun=cls.noun,
        anchor=cls.anchor,
        coremltools_id=f"milopt::{name.replace('-', '_')}" if is_pass else None,
        summary=summary_of(cls),
        text=text,
        rules=tuple(rules_in(text)),
        targets=cls.targets,
        options=tuple(_option_doc(name, option) for name, option in options_of(cls).items()),
        statistics=dict(cls.statistics) if issubclass(cls, Pass) else {},
        examples=tuple(examples_in(text)),
    )


def document_foreign(pass_id: str) -> Documentation:
    """The documentation of a pass of coremltools, as far as it can be found out.

    Raises:
        PipelineError: coremltools has no such pass.
    """
    from ..foreign.passes import coremltools_pass_doc, coremltools_pass_options

    text = coremltools_pass_doc(pass_id)
    known = coremltools_pass_options(pass_id)
    summary = re.split(r"(?<=[.:])\s|\n\n", text)[0]
    return Documentation(
        name=pass_id,
        noun="pass",
        anchor="program",
        coremltools_id=pass_id,
        summary=" ".join(summary.split()),
        text=text,
        options=tuple(OptionDoc(name, type(value).__name__, str(value)) for name, value in known.items()),
    )


def _option_doc(name: str, option: Option) -> OptionDoc:
    default = None if option.default is attrs.NOTHING else option.kind.text(option.default)
    return OptionDoc(name, option.kind.noun, default, option.choices, option.help)
