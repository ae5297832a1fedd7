"""ResNet-50, MobileNetV2 and a stack of linears as MIL programs: random fp16 weights, no training framework.

Batch norms are folded, as converters fold them: a convolution has a weight and a bias, and no norm follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import coremltools as ct
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813 - its name everywhere
from coremltools.converters.mil.mil import types

from .layers import Layers, parameter_count

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Blocks, width and first stride of each stage; a block's output is four times as wide.
# Source: He et al., arXiv:1512.03385, table 1; the stride stands on the 3x3 convolution, as in torchvision.
RESNET50_STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))

# Expansion, channels, blocks and first stride of each stage.
# Source: Sandler et al., arXiv:1801.04381, table 2.
MOBILENETV2_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)

# Parameters as torchvision counts them, and the channels that pass through a batch norm. A norm has two
# parameters a channel, scale and shift; folded into its convolution it leaves one, the bias. So each such
# channel counts once less here: 25,530,472 parameters for ResNet-50 and 3,487,816 for MobileNetV2.
PUBLISHED_PARAMETERS = {"resnet50": (25_557_032, 26_560), "mobilenetv2": (3_504_872, 17_056)}


def resnet50(opset: Any) -> Any:
    """ResNet-50 for one 3x224x224 image and 1000 classes; `opset` such as `coremltools.target.iOS18`."""
    layers = Layers()

    def main(image: Any) -> Any:
        x = mb.relu(x=layers.conv(image, 64, kernel=7, stride=2))
        x = mb.max_pool(x=x, kernel_sizes=[3, 3], strides=[2, 2], pad_type="custom", pad=[1] * 4)
        for blocks, width, first_stride in RESNET50_STAGES:
            for block in range(blocks):
                x = _bottleneck(layers, x, width, 1 if block else first_stride)
        return layers.classifier(x, 1000)

    return _program(main, (1, 3, 224, 224), types.fp16, opset)


def _bottleneck(layers: Layers, x: Any, width: int, stride: int) -> Any:
    shortcut = x if x.shape[1] == 4 * width else layers.conv(x, 4 * width, stride=stride)
    y = mb.relu(x=layers.conv(x, width))
    y = mb.relu(x=layers.conv(y, width, kernel=3, stride=stride))
    return mb.relu(x=mb.add(x=layers.conv(y, 4 * width), y=shortcut))


def mobilenetv2(opset: Any) -> Any:
    """MobileNetV2 1.0 for one 3x224x224 image and 1000 classes; `opset` as for `resnet50`."""
    layers = Layers()

    def main(image: Any) -> Any:
        x = mb.relu6(x=layers.conv(image, 32, kernel=3, stride=2))
        for expansion, channels, blocks, first_stride in MOBILENETV2_STAGES:
            for block in range(blocks):
                x = _inverted_residual(layers, x, expansion, channels, 1 if block else first_stride)
        return layers.classifier(mb.relu6(x=layers.conv(x, 1280)), 1000)

    return _program(main, (1, 3, 224, 224), types.fp16, opset)


def _inverted_residual(layers: Layers, x: Any, expansion: int, channels: int, stride: int) -> Any:
    inner = expansion * x.shape[1]
    y = x if expansion == 1 else mb.relu6(x=layers.conv(x, inner))
    y = mb.relu6(x=layers.conv(y, inner, kernel=3, stride=stride, groups=inner))
    y = layers.conv(y, channels)
    return mb.add(x=x, y=y) if x.shape == y.shape else y


def dense(opset: Any, *, parameters: int = 100_000_000, width: int = 2048, length: int = 16) -> Any:
    """An embedding of `2 * width` rows, then linears of `width` with ReLU, up to about `parameters`."""
    layers = Layers()
    depth = max(1, round((parameters - 2 * width**2) / (width**2 + width)))

    def main(tokens: Any) -> Any:
        x = layers.embedding(tokens, 2 * width, width)
        for _ in range(depth):
            x = mb.relu(x=layers.linear(x, width))
        return x

    return _program(main, (1, length), types.int32, opset)


def _program(main: Callable[[Any], Any], shape: tuple[int, ...], dtype: Any, opset: Any) -> Any:
    return mb.program(input_specs=[mb.TensorSpec(shape, dtype)], opset_version=opset)(main)


BUILDERS: dict[str, Callable[..., Any]] = {"resnet50": resnet50, "mobilenetv2": mobilenetv2, "dense": dense}


def check_parameter_count(name: str, program: Any) -> None:
    """Compares a program with `PUBLISHED_PARAMETERS`.

    Raises:
        AssertionError: a parameter is missing or too many.
    """
    published, normalized = PUBLISHED_PARAMETERS[name]
    expected = (published - normalized, normalized)
    found = (parameter_count(program), parameter_count(program, conv_role="bias"))
    if found != expected:
        raise AssertionError(f"{name} has {found} parameters and folded norms, expected are {expected}")


def write_package(name: str, path: str | Path, target: Any, **options: int) -> int:
    """Builds a model of `BUILDERS` and saves it as an `.mlpackage`.

    Args:
        name: a key of `BUILDERS`.
        path: where to.
        target: the deployment target, `"iOS18"` or `coremltools.target.iOS18`.
        options: what the builder takes, such as `parameters` of `dense`.

    Returns:
        The number of parameters.
    """
    opset = ct.target[getattr(target, "name", target)]
    program = BUILDERS[name](opset, **options)
    count = parameter_count(program)
    model = ct.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=opset,
        pass_pipeline=ct.PassPipeline.EMPTY,
        skip_model_load=True,
    )
    model.save(str(path))
    return count
