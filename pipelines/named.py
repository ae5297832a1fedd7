"""Named pipelines: what stands in pipeline text where a pass can, such as `w8{target=iOS18}`."""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import attrs

from ..ir.targets import parse_target
from ..passes.options import option
from ..passes.pipeline import Member, NamedPipeline
from ..passes.registry import register_own
from .by_target import pipeline_for
from .canonical_form import CanonicalForm
from .open_options import configured_passes, open_options
from .schemes import SCHEMES, Scheme

# coremltools' own pipelines by its names for them, and what each is for.
_COREMLTOOLS = {
    "default": "What coremltools runs on every program that it converts.",
    "cleanup": "The passes of coremltools that remove what is not needed.",
    "default_palettization": "`coremltools-default`, and first it stores weights that training clustered as tables.",
    "default_sparsification": "`coremltools-default`, and first it stores weights that training pruned sparsely.",
    "backend_mlprogram": "What coremltools runs last, before it writes an ML program.",
}


@attrs.frozen(kw_only=True)
class SchemePipeline(NamedPipeline):
    """A compression scheme for a deployment target; each scheme has a class of its own.

    Attributes:
        scheme: the scheme.
    """

    scheme: ClassVar[Scheme]
    target: str = option(str, help="the deployment target, such as iOS17 or macOS15", check=parse_target)

    @classmethod
    def pass_name(cls) -> str:
        """The scheme's name."""
        return cls.scheme.name

    def build(self) -> tuple[Member, ...]:
        """The passes of the scheme for the target."""
        chosen = attrs.asdict(self, recurse=False)
        target = parse_target(chosen.pop("target"))
        return pipeline_for(target, self.scheme.name, passes=configured_passes(self.scheme.name, chosen)).elements


@attrs.frozen(kw_only=True)
class CoremltoolsPipeline(NamedPipeline):
    """A pipeline of coremltools; each has a class of its own.

    Attributes:
        source: what coremltools calls it.
    """

    source: ClassVar[str]

    @classmethod
    def pass_name(cls) -> str:
        """Such as `coremltools-default`."""
        return f"coremltools-{cls.source.replace('_', '-')}"

    def build(self) -> tuple[Member, ...]:
        """The passes that coremltools has in it, with the options that it gives them."""
        from ..passes.foreign.pipelines import passes_of

        return passes_of(self.source)


def _class_of_scheme(scheme: Scheme) -> type[NamedPipeline]:
    fields = {name.replace("-", "_"): each.field() for name, each in open_options(scheme.name).items()}
    summary = f"{scheme.summary[0].upper()}{scheme.summary[1:]}."
    body = {"scheme": scheme, "__doc__": summary, "__annotations__": dict.fromkeys(fields, "Any"), **fields}
    return attrs.frozen(kw_only=True)(type(scheme.name, (SchemePipeline,), body))


def _class_of_coremltools(source: str, summary: str) -> type[NamedPipeline]:
    body = {"source": source, "__doc__": summary}
    return attrs.frozen(kw_only=True)(type(source, (CoremltoolsPipeline,), body))


@cache
def register_named() -> None:
    """Makes milopt's named pipelines known in pipeline text."""
    for scheme in SCHEMES:
        register_own(_class_of_scheme(scheme))
    for source, summary in _COREMLTOOLS.items():
        register_own(_class_of_coremltools(source, summary))
    register_own(CanonicalForm)
