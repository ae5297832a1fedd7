"""ResNet-50, MobileNetV2 and ViT-B/16 as PyTorch modules with random weights, and their ways to ONNX and Core ML.

Needs torch, transformers and onnxscript, as in `pip install -e .[bench]`; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import coremltools as ct
import torch
import transformers

INPUT, OUTPUT = "image", "logits"
SHAPE = (1, 3, 224, 224)
CLASSES = 1000


class Classifier(torch.nn.Module):
    """One of transformers' image classifiers, from an image to its logits."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The logits alone, which is what exporters like."""
        return self.inner(pixel_values=image).logits


# The configurations' own values are those of the published models, but for padding as TensorFlow does it.
BUILDERS: dict[str, Callable[[], torch.nn.Module]] = {
    "resnet50": lambda: transformers.ResNetForImageClassification(transformers.ResNetConfig(num_labels=CLASSES)),
    "mobilenetv2": lambda: transformers.MobileNetV2ForImageClassification(
        transformers.MobileNetV2Config(num_labels=CLASSES, tf_padding=False)
    ),
    "vit_b16": lambda: transformers.ViTForImageClassification(transformers.ViTConfig(num_labels=CLASSES)),
}


def build(name: str, seed: int = 0) -> Classifier:
    """A model of `BUILDERS` in evaluation mode; its batch norms have the statistics of a random batch."""
    torch.manual_seed(seed)
    module = Classifier(BUILDERS[name]())
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0  # one batch decides
    with torch.no_grad():
        module.train()(torch.randn(8, *SHAPE[1:]))
    return module.eval()


def parameter_count(module: torch.nn.Module) -> int:
    """The parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def export(module: torch.nn.Module, path: Path, *, dynamo: bool) -> None:
    """Writes a module as an ONNX model, by either of PyTorch's exporters."""
    torch.onnx.export(
        module,
        (torch.zeros(SHAPE),),
        path,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamo=dynamo,
        external_data=False,
        verbose=False,
    )


def convert(module: torch.nn.Module, path: Path, precision: str) -> None:
    """Writes a module as an `.mlpackage`; `precision` is `FLOAT16` or `FLOAT32`."""
    with torch.inference_mode():
        traced = torch.jit.trace(module, torch.zeros(SHAPE))
    model = ct.convert(
        traced,
        convert_to="mlprogram",
        inputs=[ct.TensorType(INPUT, SHAPE)],
        outputs=[ct.TensorType(OUTPUT)],
        compute_precision=ct.precision[precision],
        minimum_deployment_target=ct.target.iOS17,
        skip_model_load=True,
    )
    model.save(str(path))
