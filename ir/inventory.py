"""What a program consists of: its functions, what they take and give, their ops, and what their constants weigh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs

from .descriptions.features import full_feature_words, function_part, is_special
from .pymil import opset_of
from .sizes import weight_bytes_by_type
from .targets import Opset
from .value_types import Value, is_state, value_of
from .walking import walk


@attrs.frozen(kw_only=True)
class FunctionInventory:
    """What a function consists of.

    Attributes:
        name: of the function.
        is_default: whether it is the one that is meant where none is named.
        opset: whose ops it has.
        inputs: without states.
        states: what it keeps between runs.
        outputs: what it gives.
        described: by name, what the model's description says of those of which it says more than a type: images,
            sizes to choose from, optional inputs.
        ops: how many of each type, the most frequent first; nested ones count, constants do not.
        constants: how many constants.
        weight_bytes: of the constants that stand in weight files, by element type; each distinct one once.
    """

    name: str
    is_default: bool
    opset: Opset
    inputs: tuple[Value, ...]
    states: tuple[Value, ...]
    outputs: tuple[Value, ...]
    described: Mapping[str, str]
    ops: Mapping[str, int]
    constants: int
    weight_bytes: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        values = {
            key: [{**value.as_json(), "described": self.described.get(value.name)} for value in getattr(self, key)]
            for key in ("inputs", "states", "outputs")
        }
        return {
            "name": self.name,
            "default": self.is_default,
            "opset": str(self.opset),
            **values,
            "ops": dict(self.ops),
            "constants": self.constants,
            "weight_bytes": dict(self.weight_bytes),
        }


def inventory(program: Any, description: Any = None) -> list[FunctionInventory]:
    """The inventory of each function of a PyMIL program.

    Args:
        program: PyMIL.
        description: the protobuf `ModelDescription` of its model, if there is one.
    """
    return [_inventory(program, name, description) for name in program.functions]


def _described(program: Any, name: str, description: Any) -> dict[str, str]:
    part = None if description is None else function_part(description, name, program.functions)
    features = () if part is None else (*part.input, *part.output)
    return {feature.name: full_feature_words(feature) for feature in features if is_special(feature)}


def _inventory(program: Any, name: str, description: Any) -> FunctionInventory:
    function = program.functions[name]
    taken = list(function.inputs.values())
    counted = Counter(operation.op_type for operation in walk(function))
    constants = counted.pop("const", 0)
    return FunctionInventory(
        name=name,
        is_default=name == program.default_function_name or len(program.functions) == 1,
        opset=opset_of(function),
        inputs=tuple(value_of(var) for var in taken if not is_state(var)),
        states=tuple(value_of(var) for var in taken if is_state(var)),
        outputs=tuple(value_of(var) for var in function.outputs),
        described=_described(program, name, description),
        ops=dict(sorted(counted.items(), key=lambda item: (-item[1], item[0]))),
        constants=constants,
        weight_bytes=weight_bytes_by_type(function),
    )
