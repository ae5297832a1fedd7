"""How a `Model` becomes files: which weight files are kept as they are, which are written anew."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from .checking import blob_references
from .descriptions.flexible_shapes import ATTRIBUTE as FLEXIBLE_SHAPES
from .dtypes import DType
from .model_parts import ModelParts, Stage, ml_programs
from .package import MANIFEST, MODEL_FOLDER, SPECIFICATION, WEIGHTS_IN_MODEL, manifest_with_weights
from .proto.writer import belongs_in_file, file_tensors, write_program
from .pymil import opset_of
from .saving import atomic_folder
from .targets import Opset
from .weights.files import WeightFileWriter, release_pages
from .weights.references import DIGEST, BlobReference

_WEIGHTS = "weights/"


def write_model(model: ModelParts, path: Path, *, overwrite: bool) -> None:
    """Writes a model as an `.mlpackage`; see `Model.save`."""
    if model.weights.stand_ins.names:
        _read_all(model)
    with atomic_folder(path, overwrite=overwrite) as work:
        layout = _Layout(model)
        layout.copy_other_files(work)
        specification = _write_programs(model, work / layout.model_folder)
        (work / layout.specification).write_bytes(specification.SerializeToString(deterministic=True))
        has_weights = any((work / layout.model_folder / "weights").glob("*"))
        (work / MANIFEST).write_text(manifest_with_weights(layout.manifest, has_weights=has_weights), "utf-8")


def _read_all(model: ModelParts) -> None:
    """Weights that were missing get written from programs, which have zeros for them."""
    for stage in model.stages:
        stage.replace(stage.program)


class _Layout:
    """Where things lie in the new package: as in the old one, or as coremltools lays them out."""

    def __init__(self, model: ModelParts) -> None:
        self._package = model.package
        self._old_weights = {
            reference.file for stage in model.stages for reference in blob_references(stage.specification.mlProgram)
        }
        self.specification = self._package.specification if self._package else SPECIFICATION
        self.model_folder = str(Path(self.specification).parent) if self._package else MODEL_FOLDER
        self.manifest = (self._package.root / MANIFEST).read_text("utf-8") if self._package else None

    def copy_other_files(self, work: Path) -> None:
        """Copies everything but the manifest, the specification and the weight files of programs."""
        (work / self.model_folder).mkdir(parents=True)
        if self._package is None:
            return
        written = {MANIFEST, self.specification} | {f"{self.model_folder}/{name}" for name in self._old_weights}
        for name in self._package.folders():  # the manifest may list one that is empty
            (work / name).mkdir(parents=True, exist_ok=True)
        for name in self._package.files():
            if name not in written:
                shutil.copyfile(self._package.root / name, work / name)


def _write_programs(model: ModelParts, folder: Path) -> Any:
    specification = type(model.specification)()
    specification.CopyFrom(model.specification)
    copies = dict(ml_programs(specification))
    kept = _unchanged_files(model)
    for name in kept:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        model.weights.file(name).copy_to(folder / name)
    with ExitStack() as stack:
        writers = _Writers(folder, stack)
        for stage in model.stages:
            if stage.is_loaded:
                sink = _FileSink(model, kept, writers, stage)
                written = write_program(stage.program, sink)
                if model.package is None:
                    _drop_compiled_attributes(written)
                copies[stage.label].mlProgram.CopyFrom(written)
                _raise_version(copies[stage.label], opset_of(stage.program))
                _raise_version(specification, opset_of(stage.program))
    return specification


def _drop_compiled_attributes(program: Any) -> None:
    """Takes out what Core ML's compiler adds to text from the description, which says it in a package."""
    for function in program.functions.values():
        function.attributes.pop(FLEXIBLE_SHAPES, None)


def _raise_version(specification: Any, opset: Opset) -> None:
    specification.specificationVersion = max(specification.specificationVersion, opset.specification_version)


def _default_file(model: ModelParts, stage: Stage) -> str:
    """Where a stage's new weights go: the file that its old ones came from; pipelines must not share one."""
    for reference in blob_references(stage.specification.mlProgram):
        if _has_place(model, reference.file):
            return reference.file
    return WEIGHTS_IN_MODEL if not stage.label else f"weights/{stage.label.replace('/', '-')}-weight.bin"


def _has_place(model: ModelParts, file: str) -> bool:
    """Whether a weight file keeps its name: text may put weights where packages have none."""
    return not file.startswith(DIGEST) and (model.package is not None or file.startswith(_WEIGHTS))


def _unchanged_files(model: ModelParts) -> set[str]:
    """The weight files of which every blob is still used and to which none is added: they are copied whole.

    A stage that shares a file with a changed one is loaded, so that its references are written anew as well.
    """
    users = {stage.label: {r.file for r in blob_references(stage.specification.mlProgram)} for stage in model.stages}
    changed = {file for files in users.values() for file in files if not _has_place(model, file)}
    while True:
        before = len(changed)
        for stage in model.stages:
            if stage.is_loaded or users[stage.label] & changed:
                changed |= _changed_by(model, stage)
        if len(changed) == before:
            return set().union(*users.values()) - changed


def _changed_by(model: ModelParts, stage: Stage) -> set[str]:
    old = set(blob_references(stage.specification.mlProgram))
    now: set[BlobReference] = set()
    adds = False
    for array, dtype, in_file in file_tensors(stage.program):
        reference = model.weights.find(array, dtype)
        if reference is not None:
            now.add(reference)
        adds |= reference is None and in_file
    return {reference.file for reference in old ^ now} | ({_default_file(model, stage)} if adds else set())


class _Writers:
    """One open writer for each weight file of the new package, and what was written to them so far."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._open: dict[str, WeightFileWriter] = {}
        self.placed: dict[Any, BlobReference] = {}
        self.alive: list[np.ndarray] = []  # `placed` goes by addresses: their arrays must outlive the save

    def __getitem__(self, name: str) -> WeightFileWriter:
        if name not in self._open:
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open[name] = self._stack.enter_context(WeightFileWriter(path))
        return self._open[name]


class _FileSink:
    """Writes tensors to the new package's weight files, each distinct one once."""

    stores = True

    def __init__(self, model: ModelParts, kept: set[str], writers: _Writers, stage: Stage) -> None:
        self._model, self._weights, self._kept, self._writers = model, model.weights, kept, writers
        self._default, self._opset = _default_file(model, stage), opset_of(stage.program)

    def place(self, array: np.ndarray, dtype: DType) -> BlobReference | None:
        """See `WeightSink.place`."""
        source = self._weights.find(array, dtype)
        if source is None and not belongs_in_file(array, self._opset):
            return None
        if source is not None and source.file in self._kept:
            return source
        key = source or (self._default, array.ctypes.data, array.strides, array.shape, dtype.name)
        if key not in self._writers.placed:
            self._writers.alive.append(array)
            self._writers.placed[key] = self._write(array, dtype, source)
        return self._writers.placed[key]

    def _write(self, array: np.ndarray, dtype: DType, source: BlobReference | None) -> BlobReference:
        if source is None:
            return BlobReference(self._default, self._writers[self._default].write(array, dtype))
        file = self._weights.file(source.file)
        blob = file.blob(source.offset)
        name = source.file if _has_place(self._model, source.file) else self._default
        offset = self._writers[name].write_payload(file.payload(source.offset), blob.dtype, blob.padding_bits)
        release_pages(array)
        return BlobReference(name, offset)
