"""The jobs of the benchmarks, each in a process of its own: building a model, and quantizing it.

The process that measures builds and imports nothing large itself: it has to stay small, see `run_job`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from .measuring import Usage, run_job

# The model's name, the package's place, the target and the builder's options; prints the parameters it has.
_BUILD = """
import sys
from benchmarks.architectures import write_package
name, package, target, *options = sys.argv[1:]
options = {key: int(value) for key, value in (option.split("=") for option in options)}
print(write_package(name, package, target, **options))
"""

_IMPORT = "import coremltools"

# The package, the place of the result and the target: load, quantize to int8 per channel, save.
_QUANTIZE = {
    "milopt": """
import sys
import milopt
source, result, target = sys.argv[1:]
milopt.optimize(milopt.load(source), target=target).model.save(result)
""",
    "coremltools": """
import sys
import coremltools as ct
from coremltools.optimize.coreml import OpLinearQuantizerConfig, OptimizationConfig, linear_quantize_weights
source, result, _ = sys.argv[1:]
model = ct.models.MLModel(source, skip_model_load=True)
config = OptimizationConfig(global_config=OpLinearQuantizerConfig(mode="linear_symmetric"))
linear_quantize_weights(model, config).save(result)
""",
}

TOOLS = tuple(_QUANTIZE)


def build(name: str, package: Path, target: str, **options: int) -> int:
    """Writes a model of `architectures.BUILDERS` and returns its number of parameters."""
    arguments = (name, str(package), target, *(f"{key}={value}" for key, value in options.items()))
    checkout = Path(__file__).resolve().parent.parent
    return int(run_job(f"building {name}", _BUILD, *arguments, folder=checkout).stdout.split()[-1])


def import_coremltools(folder: Path) -> Usage:
    """A process that does nothing but `import coremltools`, which every tool pays for."""
    return run_job("import coremltools", _IMPORT, folder=folder)


def quantize(tool: str, source: Path, target: str) -> Usage:
    """Quantizes a package with one of `TOOLS`; replaces `result_of(tool, source)`."""
    result = result_of(tool, source)
    shutil.rmtree(result, ignore_errors=True)
    return run_job(tool, _QUANTIZE[tool], str(source), str(result), target, folder=source.parent)


def result_of(tool: str, source: Path) -> Path:
    """Where `quantize` saves."""
    return source.with_name(f"{source.stem}-{tool}.mlpackage")
