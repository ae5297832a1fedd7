"""Writes what a session runs as an ONNX model that any runtime opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx

from ..ir.errors import RunError
from ..ir.saving import atomic_files
from .constants import Constant
from .executable import dimensions
from .lower import LoweredFunction
from .onnx_model import embed, model_of

# Protobuf allows 2 GiB for all of a message; the ops take some of it.
EMBEDDED_BYTES = 3 << 29


def onnx_model(lowered: LoweredFunction) -> onnx.ModelProto:
    """The ONNX model of a lowered function, its weights inside.

    States are inputs by their names, and outputs by their names with `_out`; the model's metadata lists them.

    Raises:
        RunError: the weights are too large for a protobuf message.
    """
    if constant_bytes(lowered) > EMBEDDED_BYTES:
        raise RunError(
            "the weights take more than a protobuf message can hold",
            hint="write the model to a file: its weights go into a second one",
        )
    return model_of(lowered.graph, dimensions(lowered), metadata=_notes(lowered))


def write_onnx(lowered: LoweredFunction, path: Path, *, overwrite: bool = False) -> None:
    """Writes the ONNX model of a lowered function; large weights go into a second file, `<path>.data`.

    Raises:
        SaveError: the path is taken or can not be written to, or the disk is full.
    """
    with atomic_files(path, overwrite=overwrite) as folder:
        if constant_bytes(lowered) <= EMBEDDED_BYTES:
            (folder / path.name).write_bytes(onnx_model(lowered).SerializeToString())
            return
        with (folder / f"{path.name}.data").open("wb") as data:
            model = model_of(lowered.graph, dimensions(lowered), place=_DataFile(data).place, metadata=_notes(lowered))
        (folder / path.name).write_bytes(model.SerializeToString())


def constant_bytes(lowered: LoweredFunction) -> int:
    """Bytes of all constants, those included that no op uses."""
    return sum(constant.nbytes for constant in lowered.graph.constants.values())


class _DataFile:
    """Appends large constants to a file, each at an offset that can be mapped into memory."""

    ALIGNMENT = 4096
    SMALL = 1024

    def __init__(self, file: Any) -> None:
        self._file = file

    def place(self, name: str, proto: onnx.TensorProto, constant: Constant) -> None:
        """Embeds a small constant, and writes a large one."""
        if constant.nbytes < self.SMALL:
            embed(name, proto, constant)
            return
        self._file.write(b"\0" * (-self._file.tell() % self.ALIGNMENT))
        proto.data_location = onnx.TensorProto.EXTERNAL
        place = {"location": Path(self._file.name).name, "offset": self._file.tell(), "length": constant.nbytes}
        for key, value in place.items():
            proto.external_data.add(key=key, value=str(value))
        constant.load().tofile(self._file)


def _notes(lowered: LoweredFunction) -> dict[str, str]:
    """What an ONNX model has no place for: states, and the labels of classes."""
    states = {port.name: lowered.graph_name(port) for port in lowered.new_states}
    notes = {"milopt.states": json.dumps(states)} if states else {}
    return notes | {f"milopt.labels.{name}": json.dumps(labels) for name, labels in lowered.labels.items()}
