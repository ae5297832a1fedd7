"""A vision transformer as a MIL program: the published shapes, random fp16 weights, no training framework."""

from __future__ import annotations

import math
from typing import Any

import coremltools as ct
import numpy as np
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813 - its name everywhere
from coremltools.converters.mil.mil import types

from ..layers import Layers

PICTURE = (1, 3, 224, 224)
PATCH = 16
# Width, blocks and heads. Source: Dosovitskiy et al., arXiv:2010.11929, table 1 (B), and Touvron et al.,
# arXiv:2012.12877, table 1 (Ti, S).
VISION_TRANSFORMERS = {"vit_ti16": (192, 12, 3), "vit_s16": (384, 12, 6), "vit_b16": (768, 12, 12)}
_EPSILON = np.float16(1e-5)


def vision_transformer(name: str, opset: Any) -> Any:
    """A model of `VISION_TRANSFORMERS` for one picture and 1000 classes; `opset` such as `coremltools.target.iOS17`."""
    width, blocks, heads = VISION_TRANSFORMERS[name]
    layers = Layers()

    def main(image: Any) -> Any:
        x = _embedded(layers, image, width)
        for _ in range(blocks):
            x = mb.add(x=x, y=_attention(layers, _normalized(x), heads))
            x = mb.add(x=x, y=_linear(layers, mb.gelu(x=_linear(layers, _normalized(x), 4 * width)), width))
        return _linear(layers, mb.squeeze(x=_first_token(_normalized(x)), axes=[1]), 1000)

    return mb.program(input_specs=[mb.TensorSpec(PICTURE, types.fp16)], opset_version=opset)(main)


def _embedded(layers: Layers, image: Any, width: int) -> Any:
    """The patches as tokens, behind the class token, each with its position's vector."""
    weight = layers.draw(width, 3, PATCH, PATCH, variance=1 / (3 * PATCH**2))
    patches = mb.conv(x=image, weight=weight, strides=[PATCH] * 2, pad_type="valid")
    tokens = (PICTURE[2] // PATCH) ** 2
    flat = mb.transpose(x=mb.reshape(x=patches, shape=[1, width, tokens]), perm=[0, 2, 1])
    tokens_of_all = mb.concat(values=[layers.draw(1, 1, width, variance=0.02), flat], axis=1)
    return mb.add(x=tokens_of_all, y=layers.draw(1, tokens + 1, width, variance=0.02))


def _first_token(x: Any) -> Any:
    return mb.slice_by_size(x=x, begin=[0, 0, 0], size=[1, 1, x.shape[-1]])


def _attention(layers: Layers, x: Any, heads: int) -> Any:
    _, tokens, width = x.shape

    def split(y: Any) -> Any:
        return mb.transpose(x=mb.reshape(x=y, shape=[1, tokens, heads, width // heads]), perm=[0, 2, 1, 3])

    query, key, value = (split(_linear(layers, x, width)) for _ in range(3))
    scores = mb.mul(x=mb.matmul(x=query, y=key, transpose_y=True), y=np.float16(1 / math.sqrt(width // heads)))
    mixed = mb.matmul(x=mb.softmax(x=scores, axis=-1), y=value)
    joined = mb.reshape(x=mb.transpose(x=mixed, perm=[0, 2, 1, 3]), shape=[1, tokens, width])
    return _linear(layers, joined, width)


def _linear(layers: Layers, x: Any, units: int) -> Any:
    """A linear layer that keeps the variance; `Layers.linear` would double it, for the ReLU that is missing here."""
    weight = layers.draw(units, x.shape[-1], variance=1 / x.shape[-1])
    return mb.linear(x=x, weight=weight, bias=layers.draw(units, variance=1e-4))


def _normalized(x: Any) -> Any:
    width = x.shape[-1]
    ones, zeros = np.ones(width, np.float16), np.zeros(width, np.float16)
    return mb.layer_norm(x=x, axes=[-1], gamma=ones, beta=zeros, epsilon=_EPSILON)


def save(program: Any, path: Any) -> None:
    """Writes a program as a package of iOS 17."""
    model = ct.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS17,
        pass_pipeline=ct.PassPipeline.EMPTY,
        skip_model_load=True,
    )
    model.save(str(path))
