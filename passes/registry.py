"""The registry of passes and named pipelines; their modules are imported when they are first asked for.

Names are milopt's own, registered ones, and those of other distributions, which have entry points in the groups
`milopt.passes` and `milopt.pipelines`. The first two kinds hide the third.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from ..ir.errors import PipelineError, did_you_mean
from .base import Pass
from .catalogue.lookup import Catalogue, Listed
from .configured import Configured
from .foreign.passes import coremltools_pass_ids
from .pipeline import NamedPipeline

_Class = TypeVar("_Class", bound=Configured)

_PASSES: Catalogue[Pass] = Catalogue(Pass, "milopt.passes")
_PIPELINES: Catalogue[NamedPipeline] = Catalogue(NamedPipeline, "milopt.pipelines")


@cache
def _built_in() -> dict[str, str]:
    """The modules of milopt's own passes by name: each is the file transforms/<name>.py with a class of that name."""
    package = importlib.import_module(".transforms", __package__)
    stems = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]
    return {stem.replace("_", "-"): f"{package.__name__}.{stem}" for stem in stems}


def _built_in_class(name: str) -> type[Pass]:
    module = importlib.import_module(_built_in()[name])
    cls: type[Pass] = getattr(module, "".join(word.capitalize() for word in name.split("-")))
    return cls


def _is_taken(name: str) -> bool:
    return name in _built_in() or name in _PASSES.registered or name in _PIPELINES.registered


def register(cls: type[_Class]) -> type[_Class]:
    """Makes a pass or a named pipeline known by its name; usable as a class decorator.

    Raises:
        PipelineError: another one has the name.
    """
    name = cls.pass_name()
    registered = _registered_beside(cls)
    if registered.get(name) is not cls and _is_taken(name):
        raise PipelineError(f"a {cls.noun} named {name!r} is registered already")
    registered[name] = cls
    return cls


def register_own(cls: type[Configured]) -> None:
    """Makes one of milopt's known, unless a user registered another under its name: that one stays."""
    if not _is_taken(cls.pass_name()):
        register(cls)


def unregister(cls: type[Configured]) -> None:
    """Takes what was registered back; for tests and for notebooks that define a pass anew."""
    registered = _registered_beside(cls)
    if registered.get(cls.pass_name()) is cls:
        del registered[cls.pass_name()]


def _registered_beside(cls: type[Configured]) -> dict[str, type[Configured]]:
    registry: Catalogue[Any] = _PIPELINES if issubclass(cls, NamedPipeline) else _PASSES
    return registry.registered


def list_passes() -> list[Listed[Pass]]:
    """All passes, sorted by name: milopt's own, registered ones, those of other distributions."""
    own = [Listed(name, _built_in_class(name)) for name in _built_in()]
    registered = [Listed(name, cls) for name, cls in _PASSES.registered.items()]
    return sorted([*own, *registered, *_PASSES.listed_plugins(_is_taken)], key=_by_name)


def list_pipelines() -> list[Listed[NamedPipeline]]:
    """All named pipelines, sorted by name: registered ones, and those of other distributions."""
    registered = [Listed(name, cls) for name, cls in _PIPELINES.registered.items()]
    return sorted([*registered, *_PIPELINES.listed_plugins(_is_taken)], key=_by_name)


def _by_name(row: Listed[Any]) -> str:
    return row.name


def pass_names() -> list[str]:
    """The names of all passes that can be used, sorted."""
    return [row.name for row in list_passes() if row.cls]


def pipeline_names() -> list[str]:
    """The names of all named pipelines that can be used, sorted."""
    return [row.name for row in list_pipelines() if row.cls]


def pass_class(name: str) -> type[Pass]:
    """The class of the pass with this name, dashes or underscores.

    Raises:
        PipelineError: there is none, or it is another distribution's and broken.
    """
    found = _find_pass(_kebab(name))
    if found is None:
        raise _unknown(name, "pass", [*_built_in(), *_PASSES.known()], others=_PIPELINES.known())
    return found


def pipeline_class(name: str) -> type[NamedPipeline]:
    """The class of the named pipeline with this name, dashes or underscores.

    Raises:
        PipelineError: there is none, or it is another distribution's and broken.
    """
    found = _PIPELINES.find(_kebab(name))
    if found is None:
        raise _unknown(name, "pipeline", _PIPELINES.known(), others=[*_built_in(), *_PASSES.known()])
    return found


def element_class(name: str) -> type[Pass | NamedPipeline]:
    """The class of the pass or named pipeline with this name, dashes or underscores.

    Raises:
        PipelineError: there is none, or it is another distribution's and broken.
    """
    kebab = _kebab(name)
    found = _PIPELINES.registered.get(kebab) or _find_pass(kebab) or _PIPELINES.plugin_class(kebab)
    if found is None:
        raise _unknown(name, "pass or pipeline", [*_built_in(), *_PASSES.known(), *_PIPELINES.known()])
    return found


def _find_pass(name: str) -> type[Pass] | None:
    return _built_in_class(name) if name in _built_in() else _PASSES.find(name)


def _kebab(name: str) -> str:
    return name.replace("_", "-")


def _unknown(name: str, noun: str, known: Sequence[str], others: Sequence[str] = ()) -> PipelineError:
    """The error about a name that nothing has, or something of another kind."""
    return PipelineError(f"there is no {noun} {name!r}", hint=_hint(name, noun, known, others))


def _hint(name: str, noun: str, known: Sequence[str], others: Sequence[str]) -> str:
    if _kebab(name) in others:
        return f"it is a {'pipeline' if noun == 'pass' else 'pass'}"
    near = did_you_mean(_kebab(name), known)
    if noun == "pipeline":
        return near or f"it is one of {', '.join(known) or 'none'}"
    return near or _foreign_hint(name) or "mil-opt --list-passes lists them"


def _foreign_hint(name: str) -> str | None:
    """A hint if coremltools has a pass of about this name, in a namespace that was left out."""
    ids = {each.rpartition("::")[2]: each for each in coremltools_pass_ids()}
    near = difflib.get_close_matches(name.replace("-", "_"), ids, n=1, cutoff=0.8)
    return f"did you mean {ids[near[0]]!r}?" if near else None
