"""The runtime in the place where coremltools looks for Core ML, so that `MLModel.predict` works on any machine.

This is a door to coremltools' private modules: it replaces the class of its binding to Core ML, and its checks of the
platform.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import numpy as np

from ..ir.errors import MiloptError, RunError
from ..ir.opening import load
from ..ir.targets import OPSETS
from .session import Session
from .state import State

_BINDING = "coremltools.libcoremlpython"
_MACOS = (26, 0)  # runs every opset
_COMPILED = ".mlmodelc"


class PredictionError(RunError, RuntimeError):
    """A `RunError` that is a `RuntimeError` too: that is what Core ML's binding raises and coremltools catches."""


class Proxy:
    """Stands in for `_MLModelProxy`, the class of coremltools' binding to Core ML; its methods have that class's names.

    Args:
        path: a package, or what `compileModel` made of one.
        compute_units: no matter here.
        function: the function to run; the default one for the empty string.
        hints: no matter here.
        asset: Core ML's models in memory; there are none here.

    Raises:
        PredictionError: the model can not be run.
    """

    def __init__(self, path: str, compute_units: str, function: str, hints: Any, asset: Any) -> None:
        del compute_units, hints, asset
        self._path, self._compiled = _package_at(Path(path)), ""
        self._predict_duration: int | None = None
        started = time.perf_counter_ns()
        with _raised():
            self._session = Session(load(self._path), function or None)
        self._load_duration = time.perf_counter_ns() - started

    @staticmethod
    def maximum_supported_specification_version() -> int:
        """That of the newest opset."""
        return OPSETS[-1].specification_version

    @staticmethod
    def compileModel(path: str) -> str:  # noqa: N802
        """Puts a copy of a package into a new `.mlmodelc` folder; no format of Apple's, only a `Proxy` opens it."""
        package = Path(path)
        if not package.is_dir():
            raise PredictionError("it is no package", where=package, hint="only an .mlpackage can be compiled here")
        folder = Path(tempfile.mkdtemp(prefix="milopt-")) / f"{package.stem}{_COMPILED}"
        shutil.copytree(package, folder / package.name)
        return str(folder)

    @staticmethod
    def create_model_asset_from_path(path: str) -> None:
        """Refuses: there are no assets here."""
        raise PredictionError("model assets are Core ML's own", where=path, hint="open the .mlpackage as an MLModel")

    @staticmethod
    def create_model_asset_from_memory(data: bytes, blobs: Mapping[str, bytes]) -> None:
        """Refuses: there are no assets here."""
        del data, blobs
        raise PredictionError("model assets are Core ML's own", hint="open an .mlpackage as an MLModel")

    def predict(self, data: Mapping[str, Any], state: StateProxy | None = None) -> dict[str, Any]:
        """The outputs; arrays of fp16 come as fp32, as from Core ML's binding."""
        started = time.perf_counter_ns()
        with _raised("Unable to compute the prediction using ML Program: "):
            outputs = self._session.run(data, None if state is None else state.state)
        self._predict_duration = time.perf_counter_ns() - started
        return {name: _bound(value) for name, value in outputs.items()}

    def batchPredict(self, data: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:  # noqa: N802
        """The outputs of each."""
        return [self.predict(each) for each in data]

    def newState(self) -> StateProxy:  # noqa: N802
        """New states, all zeros."""
        return StateProxy(self._session.make_state())

    def get_compiled_model_path(self) -> str:
        """A folder that `CompiledMLModel` opens; made when first asked for, gone with this object."""
        if not self._compiled:
            self._compiled = self.compileModel(str(self._path))
            weakref.finalize(self, shutil.rmtree, Path(self._compiled).parent, ignore_errors=True)
        return self._compiled

    def get_load_duration_in_nano_seconds(self) -> int:
        """How long opening the model took."""
        return self._load_duration

    def get_last_predict_duration_in_nano_seconds(self) -> int | None:
        """How long the last prediction took; None before the first."""
        return self._predict_duration


class StateProxy:
    """Stands in for the binding's states; `coremltools.models.model.MLState` wraps it.

    Attributes:
        state: the session's own.
    """

    def __init__(self, state: State) -> None:
        self.state = state

    def read_state(self, name: str) -> np.ndarray:
        """A copy of a state, as fp32."""
        with _raised():
            return np.asarray(_bound(self.state[name]))

    def write_state(self, name: str, value: np.ndarray) -> None:
        """Sets a state."""
        with _raised():
            self.state[name] = value


class Patch(AbstractContextManager["Patch"]):
    """coremltools predicts with milopt's runtime until `undo`, or until the `with` block ends.

    Several may be active; coremltools gets back what it had when the last of them ends.
    """

    _active: set[Patch] = set()  # noqa: RUF012 - shared on purpose, as the modules that are patched are
    _restore = ExitStack()

    def __init__(self) -> None:
        if not self._active:
            _replace(self._restore)
        self._active.add(self)

    def undo(self) -> None:
        """Ends this patch; a second call does nothing."""
        self._active.discard(self)
        if not self._active:
            self._restore.close()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.undo()

    @classmethod
    def is_active(cls) -> bool:
        """Whether any patch is."""
        return bool(cls._active)


def patch_coremltools(*, force: bool = False) -> Patch:
    """Makes coremltools predict with milopt's runtime.

    `MLModel.predict`, `make_state` and what builds on them then work on any machine, for models opened from now on.
    Errors arrive as `RuntimeError`, as those of Core ML do.

    Args:
        force: replace Core ML on a machine that has it.

    Returns:
        What ends it: with its `undo()`, or as a context manager.

    Raises:
        RunError: the machine has Core ML.
    """
    from coremltools.models import model

    if model._MLModelProxy is not None and not (force or Patch.is_active()):  # noqa: SLF001 - this is the door
        raise RunError("this machine has Core ML", hint="patch_coremltools(force=True) puts milopt in its place")
    return Patch()


def _replace(restore: ExitStack) -> None:
    """Replaces what coremltools asks for; `restore` gets the way back."""
    from coremltools.models import _compiled_model, model, utils

    def put(owner: Any, name: str, value: object) -> None:
        restore.callback(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, value)

    for owner in (model, _compiled_model):
        put(owner, "_MLModelProxy", Proxy)
    for owner in (model, _compiled_model, utils):
        put(owner, "_macos_version", _macos_version)
    for owner in (model, utils):
        put(owner, "_is_macos", _is_macos)
    # compile_model imports the binding's module itself.
    binding = ModuleType(_BINDING)
    binding._MLModelProxy = Proxy  # type: ignore[attr-defined] # noqa: SLF001
    before = sys.modules.get(_BINDING)
    sys.modules[_BINDING] = binding
    restore.callback(_put_module, before)


def _put_module(module: ModuleType | None) -> None:
    if module is None:
        del sys.modules[_BINDING]
    else:
        sys.modules[_BINDING] = module


def _is_macos() -> bool:
    return True


def _macos_version() -> tuple[int, ...]:
    return _MACOS


@contextmanager
def _raised(beginning: str = "") -> Iterator[None]:
    """Our errors, as coremltools expects them; its users look for the words that Core ML's own messages begin with."""
    try:
        yield
    except MiloptError as error:
        raise PredictionError(f"{beginning}{error}") from error


def _package_at(path: Path) -> Path:
    """The package itself, or the one in a folder that `compileModel` made."""
    if path.suffix != _COMPILED:
        return path
    for package in path.glob("*.mlpackage"):
        return package
    raise PredictionError("it was not compiled by milopt", where=path, hint="open the .mlpackage")


def _bound(value: Any) -> Any:
    """A value as the binding gives it, which has no arrays of fp16."""
    return value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype == np.float16 else value
