"""`load`: models of every form, from disk or from text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from .errors import PackageError, ProgramError
from .model import Model
from .model_parts import Origin
from .package import open_package
from .weights.store import MissingWeights, WeightStore

if TYPE_CHECKING:
    from .descriptions.compiled import CompiledModel
    from .text.parser import Parsed
    from .text.source import Source

TEXT_SUFFIX = ".mil"
COMPILED_SUFFIX = ".mlmodelc"


def load(path: str | os.PathLike[str], *, missing_weights: MissingWeights = "error") -> Model:
    """Opens a model: an `.mlpackage`, a compiled `.mlmodelc`, or a program as MIL text, `.mil`.

    Weights stay on disk, mapped into memory. Ops, opsets and every weight's place are checked at once; the PyMIL
    programs of packages are built when first asked for. A compiled model becomes an editable one again, as far as its
    files tell; `Model.origin.notes` says what they do not. Text is described from its program, see
    `milopt.ir.descriptions.describing`; `@model_path` is its folder.

    Args:
        path: the model; or a coremltools `MLModel`, whose package is opened.
        missing_weights: whether weights whose file is missing are an `error` or become `zeros`. A model with such zeros
            refuses to run and to be saved unless that is allowed.

    Raises:
        PackageError: not a model, no ML program in it, or its files are damaged.
        ProgramError: an op that no opset has, or a construct that PyMIL does not have.
        TextError: text that does not parse or whose program is not valid.
    """
    found = Path(getattr(path, "package_path", None) or path)
    if "\n" in str(found) and not found.exists():
        first, _, _ = str(found).partition("\n")
        hint = "milopt.parse_program takes MIL text itself"
        raise PackageError("no such file or folder", where=f"{first}...", hint=hint)
    if is_text(found):
        return load_text(read_source(found), found.parent, missing_weights)
    if is_compiled(found):
        return _load_compiled(found, missing_weights)
    return _load_package(found, missing_weights)


def is_text(path: Path) -> bool:
    """Whether a path is that of a `.mil` file."""
    return path.suffix == TEXT_SUFFIX and not path.is_dir()


def is_compiled(path: Path) -> bool:
    """Whether a path is that of a compiled model."""
    return path.suffix == COMPILED_SUFFIX or (path / "model.mil").is_file()


def load_text(source: Source, folder: Path | None, missing_weights: MissingWeights = "error") -> Model:
    """The model of MIL text.

    Args:
        source: the text.
        folder: what `@model_path` stands for.
        missing_weights: as for `load`.

    Raises:
        TextError: it does not parse, or its program is not valid.
    """
    from .text.parser import parse_proto

    parsed = parse_proto(source)
    origin = Origin(Path(source.name).name, parsed, is_bare=True)
    return _model_of_text(parsed, WeightStore(folder, missing_weights), origin)


def read_source(path: Path) -> Source:
    """The text of a `.mil` file; raises `PackageError` if it can not be read."""
    from .text.source import Source

    try:
        return Source(path.read_bytes().decode("utf-8-sig"), str(path))
    except FileNotFoundError:
        raise PackageError("no such file or folder", where=path) from None
    except UnicodeDecodeError as error:
        raise PackageError(f"not MIL text: byte {error.start} is no UTF-8", where=path) from None
    except OSError as error:
        raise PackageError(f"can not be read: {error.strerror or error}", where=path) from error


def _load_compiled(folder: Path, missing_weights: MissingWeights) -> Model:
    from .descriptions.compiled import read_compiled
    from .descriptions.describing import arrange_inputs
    from .text.parser import parse_proto

    compiled = read_compiled(folder)
    parsed = parse_proto(read_source(compiled.text))
    if compiled.description is not None:
        arrange_inputs(parsed.program, compiled.description)
    origin = Origin(folder.name, parsed, is_bare=compiled.description is None, notes=compiled.notes)
    weights = WeightStore(folder, missing_weights, _outermost(folder))
    return _model_of_text(parsed, weights, origin, compiled)


def _outermost(folder: Path) -> Path:
    """The whole compiled model: that of a pipeline's stage may have its weights beside it."""
    return next((each for each in folder.absolute().parents if each.suffix == COMPILED_SUFFIX), folder)


def _model_of_text(
    parsed: Parsed, weights: WeightStore, origin: Origin, compiled: CompiledModel | None = None
) -> Model:
    from .descriptions.describing import bare_specification, specification_of
    from .text.reading import program_of

    description = compiled.description if compiled else None
    listed = [function.name for function in description.functions] if description is not None else []
    order = listed or list(parsed.functions)
    program = program_of(parsed, weights, order)
    version = compiled.specification_version if compiled else None
    try:
        specification = specification_of(parsed.program, description, version=version, function_order=order)
    except ProgramError as error:
        specification, origin = bare_specification(parsed.program, version), attrs.evolve(origin, undescribed=error)
    model = Model(specification, weights, origin=origin)
    model.stages[0].adopt(program)
    return model


def _load_package(path: Path, missing_weights: MissingWeights) -> Model:
    from .checking import check_stage

    model = open_unchecked(path, missing_weights)
    for stage in model.stages:
        check_stage(stage)
    return model


def open_unchecked(path: Path, missing_weights: MissingWeights = "error") -> Model:
    """The model of an `.mlpackage`, whose programs may have any fault.

    Raises:
        PackageError: not a package, no ML program in it, or its specification is damaged.
    """
    from google.protobuf.message import DecodeError

    from .pymil import proto

    package = open_package(path)
    specification = proto.Model_pb2.Model()
    try:
        specification.ParseFromString((package.root / package.specification).read_bytes())
    except DecodeError as error:
        message = f"{package.specification} is not a Core ML specification: {error}"
        raise PackageError(message, where=package.root) from None
    model = Model(specification, WeightStore(package.model_folder, missing_weights), package)
    if not model.stages:
        found = specification.WhichOneof("Type") or "model without content"
        raise PackageError(
            f"the model is a {found}, not an ML program",
            where=package.root,
            hint="convert it anew with convert_to='mlprogram'",
        )
    return model
