"""What W8A8 is measured on: models and where their samples come from."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import attrs
import milopt

from . import data

SHARED_MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
# What becomes of an fp32 program so that coremltools can calibrate it: its own pass, and those that clean up behind it.
_TO_FP16 = (
    "program(common::add_fp16_cast, common::cast_optimization, common::const_elimination, "
    "common::dead_code_elimination)"
)
# Writes a package into a folder; coremltools writes to the packages that it opens, so that each is a copy.
Writer = Callable[[Path], Path]


class MissingModelError(Exception):
    """A model is not on this machine; the message says which."""


@attrs.frozen
class Case:
    """A model and its data.

    Attributes:
        name: what `--case` takes.
        package: writes the package; `MissingModelError` where it can not.
        data: the samples, given the package.
    """

    name: str
    package: Writer
    data: data.Source


def _copied(source: Path) -> Writer:
    def package(folder: Path) -> Path:
        if not source.is_dir():
            raise MissingModelError(f"{source.name} is not in {source.parent.name!r} beside the project")
        return Path(shutil.copytree(source, folder / source.name, dirs_exist_ok=True))

    return package


def _in_fp16(original: Writer) -> Writer:
    def package(folder: Path) -> Path:
        model = milopt.load(original(folder)).copy()
        for program in model.programs.values():
            milopt.PassManager(milopt.parse_pipeline(_TO_FP16)).run(program, in_place=True)
        path = folder / f"{model.name}-fp16.mlpackage"
        model.save(path)
        return path

    return package


def _built(name: str) -> Writer:
    """A model of random weights, for iOS 17."""

    def package(folder: Path) -> Path:
        import coremltools as ct

        from ..architectures import BUILDERS
        from .models import VISION_TRANSFORMERS, save, vision_transformer

        path, opset = folder / f"{name}.mlpackage", ct.target.iOS17
        save(vision_transformer(name, opset) if name in VISION_TRANSFORMERS else BUILDERS[name](opset), path)
        return path

    return package


_BASIC_PITCH = _copied(SHARED_MODELS / "basic-pitch-nmp.mlpackage")
_CASES = (
    Case("digits", _copied(data.DIGITS / "digits.mlpackage"), data.digits),
    Case("resnet50", _built("resnet50"), data.of_pictures(16, 16)),
    Case("vit_ti16", _built("vit_ti16"), data.of_pictures(16, 16)),
    Case("silero6-unified", _copied(SHARED_MODELS / "silero6-unified.mlpackage"), data.of_voice(96, 96)),
    Case("basic-pitch-nmp", _BASIC_PITCH, data.of_music(12, 9)),
    Case("basic-pitch-nmp-fp16", _in_fp16(_BASIC_PITCH), data.of_music(12, 9)),
)
CASES = {case.name: case for case in _CASES}
"""The cases by name."""
