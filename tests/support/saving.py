"""What tests do to models that they save: look at them whole, and compare what came back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import milopt
import numpy as np
from milopt.ir.equality import first_difference

from .canonical import constants
from .packages import proto_operations, read_specification


def saved(model: Any, folder: Path, name: str = "saved") -> Path:
    """Saves a model as a package in a folder."""
    path = folder / f"{name}.mlpackage"
    model.save(path)
    return path


def loaded_whole(package: Path) -> Any:
    """A model all of whose programs have been built."""
    model = milopt.load(package)
    assert model.programs
    return model


def without_programs(specification: Any) -> bytes:
    """Everything of a specification but its programs, stages of pipelines included."""
    rest = type(specification)()
    rest.CopyFrom(specification)
    kind = rest.WhichOneof("Type")
    stages = [without_programs(stage) for stage in rest.pipeline.models] if kind == "pipeline" else []
    if kind in ("pipeline", "mlProgram"):
        rest.ClearField(kind)
    return b"|".join([rest.SerializeToString(deterministic=True), *stages])


def assert_same_programs(left: Any, right: Any) -> None:
    """Two models hold equal programs at the same places."""
    assert list(left.programs) == list(right.programs)
    for label, program in left.programs.items():
        assert first_difference(program, right.programs[label]) is None


def all_constants(model: Any) -> dict[str, np.ndarray]:
    """Every constant array of a model, by `stage/function/name`."""
    return {f"{label}/{name}": array for label, program in model.programs.items()
            for name, array in constants(program).items()}  # fmt: skip


def differing(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> list[str]:
    """The names of the arrays that are not the same byte for byte, of two sets with the same names."""
    assert list(left) == list(right)
    return [name for name, array in left.items()
            if (array.dtype, array.shape, array.tobytes())
            != (right[name].dtype, right[name].shape, right[name].tobytes())]  # fmt: skip


def blob_offsets(package: Path) -> dict[str, int]:
    """The offset in a weight file of each constant of the function `main` that stands in one."""
    return {
        operation.outputs[0].name: operation.attributes["val"].blobFileValue.offset
        for operation in proto_operations(read_specification(package))
        if operation.type == "const" and operation.attributes["val"].HasField("blobFileValue")
    }


def blob_count(path: Path) -> int:
    """How many blobs the header of a weight file counts."""
    return int.from_bytes(path.read_bytes()[:4], "little")
