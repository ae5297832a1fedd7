"""The one door from `passes` to coremltools' own passes: any registered one runs in our manager."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from ...ir.errors import PipelineError, did_you_mean
from ..analysis.structure import Structure
from ..base import UNCHANGED, Outcome, Pass
from ..context import PassContext
from ..kinds.faults import OptionFault
from .constants import kept_constants
from .names import has_names_twice
from .options import Assign, option_names, option_text, set_option

# Options without which coremltools' passes fail in their middle; it does not ask for them itself.
_REQUIRED = {
    "common::materialize_symbolic_shape_program": ("function_name_to_materialization_map",),
    "compression::insert_prefix_quantize_dequantize_pair": ("config", "activation_stats"),
    "compression::insert_suffix_quantize_dequantize_pair": ("config", "activation_stats"),
    "compression::linear_quantize_weights": ("config",),
    "compression::palettize_weights": ("config",),
    "compression::prune_weights": ("config",),
}

# What coremltools lists has no options; these attributes of `PassPipeline` have.
_PRESETS_WITH_OPTIONS = {
    "default_palettization": "DEFAULT_PALETTIZATION",
    "default_sparsification": "DEFAULT_PRUNING",
}

_NAMES_ANEW = "common::dedup_op_and_var_names"  # of all values but inputs and outputs
_A_CONFIG = "options in braces such as {config_type=OpPalettizerConfig global_config={nbits=4}}"

Options = tuple[tuple[str, Any], ...]


def _options_text(options: Options) -> str:
    return " ".join(f"{name}={option_text(value)}" for name, value in options)


@attrs.frozen(kw_only=True)
class CoremltoolsPass(Pass):
    """A pass of coremltools, under its own id.

    Attributes:
        id: such as `common::fuse_conv_batchnorm`.
        options: as the pass takes them. Two passes are equal if their options read alike as text.
    """

    id: str
    options: Options = attrs.field(default=(), eq=_options_text)

    def run(self, root: Any, context: PassContext) -> Outcome:
        """Runs it on a program, as one rewrite, and finds out whether anything changed.

        Raises:
            PipelineError: the program is none that it can run on.
        """
        from ...ir.edit_watch import watching_edits

        if root.skip_all_passes:
            raise PipelineError(
                "the program says that passes of coremltools must not run on it", hint="clear its `skip_all_passes`"
            )
        if not context.admits("run"):
            return UNCHANGED
        before = context.analyses.get(Structure)
        options = dict(self.options)
        with _class_as_it_was(self.id), kept_constants(root, self.id, options), watching_edits() as edits:
            graph_pass = configured_pass(self.id, options)
            _run(graph_pass, root)
        # coremltools' own passes edit nothing without setting attributes; of others it is not known.
        if not edits.count and type(graph_pass).__module__.startswith("coremltools."):
            return UNCHANGED
        after = Structure.run(root, context.analyses)
        if after == before:
            return UNCHANGED
        if has_names_twice(root):
            _registry()[_NAMES_ANEW](root)
            after = Structure.run(root, context.analyses)
        context.analyses.renew(after)
        return Outcome(changed=True, preserved=frozenset({Structure}))

    def __str__(self) -> str:
        """The id and all options."""
        return self.id + (f"{{{_options_text(self.options)}}}" if self.options else "")


def _run(graph_pass: Any, program: Any) -> None:
    try:
        graph_pass(program)
    except KeyError as error:
        if error.args != ("main",) or "main" in program.functions:
            raise
        names = ", ".join(map(repr, program.functions))
        raise PipelineError(f"it works on a function named 'main'; the program has {names}") from error


def _registry() -> Any:
    # isort: off
    from ...ir import quiet  # noqa: F401 - before everything of coremltools
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
    # isort: on

    return PASS_REGISTRY


def coremltools_pass_ids() -> list[str]:
    """The ids of every pass of coremltools' own that is registered now, sorted."""
    return sorted(name for name in _registry().passes if not name.startswith("milopt::"))


def coremltools_pass_doc(pass_id: str) -> str:
    """What a pass of coremltools says about itself; empty if it says nothing.

    Raises:
        PipelineError: coremltools has no such pass.
    """
    _require_known(pass_id)
    return inspect.cleandoc(_registry().passes[pass_id].__doc__ or "")


def coremltools_pass_options(pass_id: str) -> dict[str, Any]:
    """The options of a pass of coremltools and their values as long as none are given.

    Raises:
        PipelineError: coremltools has no such pass.
    """
    _require_known(pass_id)
    try:
        graph_pass = _new_pass(pass_id)
    except PipelineError:  # it can not be made by its name
        return {}
    return {name: getattr(graph_pass, name) for name in option_names(graph_pass)}


def preset_pipeline(name: str) -> Any:
    """One of coremltools' own pipelines, a new `coremltools.PassPipeline`.

    Args:
        name: one that coremltools lists, such as `default` or `backend_mlprogram`.

    Raises:
        PipelineError: it has no such pipeline.
    """
    from ...ir import quiet  # noqa: F401 - before everything of coremltools
    from coremltools import PassPipeline  # isort: skip

    listed = PassPipeline.list_available_pipelines()
    if name not in listed:
        raise PipelineError(f"coremltools has no pipeline {name!r}", hint=did_you_mean(name, listed))
    if name in _PRESETS_WITH_OPTIONS:
        return getattr(PassPipeline, _PRESETS_WITH_OPTIONS[name])
    return PassPipeline.get_pipeline(name)


def coremltools_pass(pass_id: str, options: Mapping[str, Any]) -> CoremltoolsPass:
    """A pass of coremltools; its options are checked at once.

    Args:
        pass_id: such as `common::fuse_conv_batchnorm`.
        options: by name; from Python or from pipeline text.

    Raises:
        PipelineError: coremltools has no such pass.
        OptionError: the pass has no such option, or lacks one that it needs.
    """
    with _class_as_it_was(pass_id):
        _, taken = _configured(pass_id, options)
    missing = next((name for name in _REQUIRED.get(pass_id, ()) if name not in dict(taken)), None)
    if missing is not None:
        raise OptionFault(f"needs the option {missing!r}", owner=f"pass {pass_id!r}")
    return CoremltoolsPass(id=pass_id, options=taken)


@contextmanager
def _class_as_it_was(pass_id: str) -> Iterator[None]:
    """Puts back what a pass does to its class: `common::const_deduplication` keeps its options there."""
    _require_known(pass_id)
    cls = _registry().passes[pass_id]
    before = dict(vars(cls))
    try:
        yield
    finally:
        for name, value in before.items():
            if vars(cls).get(name) is not value:
                setattr(cls, name, value)


def configured_pass(pass_id: str, options: Mapping[str, Any]) -> Any:
    """Coremltools' own object for a pass, options set; raises what `coremltools_pass` does."""
    return _configured(pass_id, options)[0]


def _configured(pass_id: str, options: Mapping[str, Any]) -> tuple[Any, Options]:
    graph_pass = _new_pass(pass_id)
    assign = _assigner(graph_pass)
    try:
        taken = [set_option(graph_pass, name, value, assign) for name, value in options.items()]
    except OptionFault as fault:
        raise fault.of(f"pass {pass_id!r}") from None
    return graph_pass, tuple(taken)


def _new_pass(pass_id: str) -> Any:
    _require_known(pass_id)
    try:
        return _registry()[pass_id]
    except TypeError as error:
        raise PipelineError(f"coremltools' pass {pass_id!r} can not be made by its name: {error}") from None


def _require_known(pass_id: str) -> None:
    registry = _registry()
    if pass_id not in registry:
        raise PipelineError(f"coremltools has no pass {pass_id!r}", hint=did_you_mean(pass_id, registry.passes))


def _assigner(graph_pass: Any) -> Assign:
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption
    from coremltools.optimize.coreml import OptimizationConfig

    def assign(name: str, value: Any) -> Any:
        if name == "config" and isinstance(value, Mapping):
            value = OptimizationConfig.from_dict(copy.deepcopy(value))  # which takes parts out of it
        elif name == "config" and not isinstance(value, OptimizationConfig):
            raise OptionFault(f"takes {_A_CONFIG}, not {value!r}")
        graph_pass.set_options([PassOption(name, value)])
        return value

    return assign
