"""A pipeline: stages one after the other, wired by the names of their features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...ir.errors import RunError
from .features import Interface
from .runners import Result, Runner, States, typed
from .values import Values, accepted


@contextmanager
def within(label: str) -> Iterator[None]:
    """Errors raised inside say the stage first."""
    try:
        yield
    except RunError as error:
        error.where = f"{label}, {error.where}" if error.where else label
        raise


class PipelineRunner:
    """Stages that run one after the other; each takes what the pipeline was given and what stages before it gave.

    Args:
        interface: the pipeline's description.
        stages: by what messages call them, in order.

    Raises:
        RunError: a stage needs a feature that nothing gives, or has states.
    """

    def __init__(self, interface: Interface, stages: Sequence[tuple[str, Runner]]) -> None:
        self.interface, self.stages = interface, stages
        known = {feature.name for feature in interface.inputs}
        for label, stage in stages:
            if stage.interface.states:
                raise RunError("it has states, which a pipeline does not keep", where=label)
            for feature in stage.interface.inputs:
                if feature.name not in known and not feature.optional:
                    raise RunError(f"nothing gives its input {feature.name!r}", where=label)
            known |= {feature.name for feature in stage.interface.outputs}
        for feature in interface.outputs:
            if feature.name not in known:
                raise RunError(f"no stage gives the output {feature.name!r}")

    def run(self, values: Values, states: States) -> Result:
        """Runs the stages."""
        pool: dict[str, Any] = dict(values)
        for label, stage in self.stages:
            features = stage.interface.inputs
            with within(label):
                taken = accepted(features, {each.name: pool[each.name] for each in features if each.name in pool})
                result = stage.run(taken, states)
            pool |= result.outputs
        return Result({feature.name: typed(feature, pool[feature.name]) for feature in self.interface.outputs})

    def new_states(self) -> dict[str, np.ndarray]:
        """None: no stage has states."""
        return {}
