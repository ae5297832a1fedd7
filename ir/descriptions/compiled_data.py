"""`coremldata.bin` of a compiled model: a container around the model's description.

The layout, read off models that Apple's compiler wrote; all numbers little-endian:

    uint32   the kind of model: its field number in the protobuf `Model`, 502 for an ML program
    version  of the compiler
    version  whose major number is the specification version
    uint64   the length of what follows
    bytes    a protobuf `ModelDescription`
    ...      for each function the kind again, and 12 bytes of zeros

    version: three uint64 (major, minor, patch), then a text: its length as uint64, its bytes

Importing this module imports coremltools.
"""

from __future__ import annotations

from typing import Any

import attrs
from google.protobuf.message import DecodeError

from ..errors import PackageError
from ..pymil import proto

FILE = "coremldata.bin"
# Where another layout might put the description; searched only when it does not stand where it should.
_SEARCHED_BYTES = 4096
# The protobuf holds the specification version in 32 bits.
_LARGEST_VERSION = 2**31 - 1


@attrs.frozen
class CompiledData:
    """What the file holds.

    Attributes:
        kind: the kind of model, such as `mlProgram`; the number as a text where no kind has it.
        description: the protobuf `ModelDescription`.
        specification_version: None where the layout is another one.
    """

    kind: str
    description: Any
    specification_version: int | None = None


def read_compiled_data(data: bytes) -> CompiledData:
    """Reads the bytes of the file.

    Raises:
        PackageError: it holds no description.
    """
    kind = kind_of(data)
    found = _where_it_should_be(data)
    description, version = found or (_searched(data), None)
    if description is None:
        raise PackageError("it holds no description of the model", where=FILE)
    return CompiledData(kind, description, version)


def kind_of(data: bytes) -> str:
    """The kind of model that the file is about, such as `mlProgram` or `neuralNetwork`.

    Raises:
        PackageError: the file is too short to say so.
    """
    number = _number(data, 0, size=4)
    field = proto.Model_pb2.Model.DESCRIPTOR.fields_by_number.get(number)
    return field.name if field else str(number)


def _where_it_should_be(data: bytes) -> tuple[Any, int] | None:
    """The description and the specification version, if the layout is the known one."""
    try:
        _, at = _version(data, 4)
        version, at = _version(data, at)
        description = _description(_counted(data, at))
    except PackageError:
        return None
    return None if description is None or version > _LARGEST_VERSION else (description, version)


def _version(data: bytes, at: int) -> tuple[int, int]:
    """The major number of a version, and where it ends."""
    text = at + 3 * 8
    return _number(data, at), text + 8 + len(_counted(data, text))


def _counted(data: bytes, at: int) -> bytes:
    """The bytes after a length."""
    length, start = _number(data, at), at + 8
    if length > len(data) - start:
        raise PackageError("it ends early", where=FILE)
    return data[start : start + length]


def _number(data: bytes, at: int, size: int = 8) -> int:
    if at + size > len(data):
        raise PackageError("it ends early", where=FILE)
    return int.from_bytes(data[at : at + size], "little")


def _description(message: bytes) -> Any:
    """The description that a message is; None if it is none, or an empty one."""
    try:
        found = proto.Model_pb2.ModelDescription.FromString(message)
    except DecodeError:
        return None
    return found if found.output or found.functions else None


def _searched(data: bytes) -> Any:
    """The description, wherever it stands: after its length, before the kind of model, and nothing in it unknown."""
    for at in range(4, min(_SEARCHED_BYTES, len(data) - 12)):
        length = _number(data, at)
        end = at + 8 + length
        if length and data[end : end + 4] == data[:4]:
            found = _description(data[at + 8 : end])
            if found is not None and _is_known(found):
                return found
    return None


def _is_known(message: Any) -> bool:
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return bool(known.ByteSize() == message.ByteSize())
