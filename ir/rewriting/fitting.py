"""Whether a value can stand where another one stands."""

from __future__ import annotations

from typing import Any, TypeAlias

from ..pymil import inside, is_symbolic, types
from .edits import InputChange

Operation: TypeAlias = Any
Var: TypeAlias = Any


def fits(old: Var, new: Var) -> bool:
    """Whether `new` can take the place of `old`: by its type, and in everything that uses it."""
    return (
        same_type(old.sym_type, new.sym_type)
        and (not old.consuming_blocks or _can_be_output(old, new))
        and (new.is_descendant_of_const or not any(_takes_constant(user, old) for user in old.child_ops))
    )


def same_type(old: Any, new: Any) -> bool:
    """Whether values have the same element type and shape; where the old size is unknown, the new one may be any."""
    if old is new or old == new:
        return True
    if not (types.is_tensor(old) and types.is_tensor(new)):
        return False
    if old.get_primitive() != new.get_primitive() or len(old.get_shape()) != len(new.get_shape()):
        return False
    pairs = zip(old.get_shape(), new.get_shape(), strict=True)
    return all(is_symbolic(mine) or mine == yours for mine, yours in pairs)


def keeps_types(change: InputChange) -> bool:
    """Whether an op takes another input, and its outputs stay what they are."""
    operation, parameter = change.operation, change.parameter
    before = operation._input_vars[parameter]  # noqa: SLF001 - tried without telling the use lists
    try:
        _put(operation, parameter, change.value)
        inferred = _inferred(operation)
    except Exception:  # noqa: BLE001 - each op raises what it likes
        return False
    finally:
        _put(operation, parameter, before)
    kinds = inferred if isinstance(inferred, tuple) else (inferred,)
    return all(same_type(var.sym_type, kind) for var, kind in zip(operation.outputs, kinds, strict=True))


def _put(operation: Operation, parameter: str, value: Any) -> None:
    operation._input_vars[parameter] = value  # noqa: SLF001
    setattr(operation, parameter, value)


def _inferred(operation: Operation) -> Any:
    given = {name: value for name, value in operation._input_vars.items() if value is not None}  # noqa: SLF001
    operation.input_spec.validate_inputs(operation.name, operation.op_type, given)
    with inside(operation.enclosing_block):
        return operation.type_inference()


def _can_be_output(old: Var, new: Var) -> bool:
    """Outputs keep their names, which inputs, constants and other outputs can not take over, and unknown sizes."""
    if new.op is None or new.op.op_type == "const" or new.consuming_blocks:
        return False
    return new.op.enclosing_block is old.op.enclosing_block and same_type(new.sym_type, old.sym_type)


def _takes_constant(user: Operation, var: Var) -> bool:
    kinds = user.input_spec.input_types
    return any(value is var and kinds[parameter].const for parameter, value in user.inputs.items())
