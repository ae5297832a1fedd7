"""The registry of milopt's passes; their modules are imported when they are first asked for."""

from __future__ import annotations

import importlib

from ..ir.errors import PipelineError, did_you_mean
from .base import Pass

# Each is the file transforms/<name>.py with a class of the same name; a test keeps the list complete.
_BUILT_IN = ("quantize-weights", "raise-opset")
_REGISTERED: dict[str, type[Pass]] = {}


def register(cls: type[Pass]) -> type[Pass]:
    """Makes a pass known by its name; usable as a class decorator.

    Raises:
        PipelineError: another pass has the name.
    """
    name = cls.pass_name()
    if name in _BUILT_IN or _REGISTERED.get(name, cls) is not cls:
        raise PipelineError(f"a pass named {name!r} is registered already")
    _REGISTERED[name] = cls
    return cls


def unregister(cls: type[Pass]) -> None:
    """Takes a registered pass back; for tests and for notebooks that define a pass anew."""
    if _REGISTERED.get(cls.pass_name()) is cls:
        del _REGISTERED[cls.pass_name()]


def pass_names() -> list[str]:
    """The names of all passes, sorted."""
    return sorted([*_BUILT_IN, *_REGISTERED])


def pass_class(name: str) -> type[Pass]:
    """The class of the pass with this name, dashes or underscores.

    Raises:
        PipelineError: there is none.
    """
    kebab = name.replace("_", "-")
    if kebab in _REGISTERED:
        return _REGISTERED[kebab]
    if kebab not in _BUILT_IN:
        raise PipelineError(
            f"there is no pass {name!r}",
            hint=did_you_mean(kebab, pass_names()) or "mil-opt --list-passes lists them",
        )
    module = importlib.import_module(f".transforms.{kebab.replace('-', '_')}", __package__)
    cls: type[Pass] = getattr(module, "".join(word.capitalize() for word in kebab.split("-")))
    return cls
