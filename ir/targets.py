"""Deployment targets and the MIL opsets behind them, as one table.

Source: coremltools 9.0, `coremltools/__init__.py` (`_OPSET`, specification versions) and
`converters/mil/_deployment_compatibility.py` (platform aliases); visionOS by Apple's release pairing
(visionOS 1 with iOS 17, 2 with iOS 18, 26 with iOS 26).
"""

from __future__ import annotations

import functools

import attrs

from .errors import TargetError, did_you_mean, quoted


@attrs.frozen(order=True)
class Opset:
    """One MIL opset: ordered by specification version.

    Attributes:
        specification_version: `specificationVersion` of a package that uses it.
        mil_name: the opset's name inside the protobuf, such as `CoreML7`.
        ios: the iOS deployment target that introduced it; also coremltools' name for it.
        aliases: other platforms' targets with the same opset.
    """

    specification_version: int
    mil_name: str = attrs.field(order=False)
    ios: str = attrs.field(order=False)
    aliases: tuple[str, ...] = attrs.field(order=False)

    @property
    def text_name(self) -> str:
        """The name in MIL text: `func main<ios17>`."""
        return self.ios.lower()

    def __str__(self) -> str:
        """The iOS name: `iOS17`."""
        return self.ios


OPSETS = (
    Opset(6, "CoreML5", "iOS15", ("macOS12", "watchOS8", "tvOS15")),
    Opset(7, "CoreML6", "iOS16", ("macOS13", "watchOS9", "tvOS16")),
    Opset(8, "CoreML7", "iOS17", ("macOS14", "watchOS10", "tvOS17", "visionOS1")),
    Opset(9, "CoreML8", "iOS18", ("macOS15", "watchOS11", "tvOS18", "visionOS2")),
    Opset(10, "CoreML9", "iOS26", ("macOS26", "watchOS26", "tvOS26", "visionOS26")),
)

IOS15, IOS16, IOS17, IOS18, IOS26 = OPSETS


@functools.cache
def deployment_targets() -> dict[str, Opset]:
    """Every deployment target's name with its opset, iOS names first."""
    first = {opset.ios: opset for opset in OPSETS}
    return first | {alias: opset for opset in OPSETS for alias in opset.aliases}


def parse_target(name: str) -> Opset:
    """The opset of a deployment target, whatever the case of its name.

    Raises:
        TargetError: the name is none of `deployment_targets`.
    """
    for target, opset in deployment_targets().items():
        if target.lower() == name.lower():
            return opset
    known = ", ".join(opset.ios for opset in OPSETS)
    raise TargetError(
        f"unknown deployment target {quoted(name)}",
        hint=(None if _is_other_release(name) else did_you_mean(name, deployment_targets()))
        or f"one of {known}, or a macOS, watchOS, tvOS, visionOS name of the same release",
    )


def _is_other_release(name: str) -> bool:
    """Whether a name is that of a release that no opset came with, such as iOS 14: no slip of the keys."""
    platform = name.lower().rstrip("0123456789")
    known = [target.lower() for target in deployment_targets() if target.lower().rstrip("0123456789") == platform]
    return bool(known) and all(sorted(name.lower()) != sorted(target) for target in known)


def opset_of_specification(version: int, where: object = None) -> Opset:
    """The opset that a package of this `specificationVersion` may use.

    Raises:
        TargetError: no opset has this version.
    """
    for opset in OPSETS:
        if opset.specification_version == version:
            return opset
    raise TargetError(
        f"specification version {version} is none that ML programs have "
        f"({OPSETS[0].specification_version} to {OPSETS[-1].specification_version})",
        where=where,
        hint="a newer milopt may know it" if version > OPSETS[-1].specification_version else None,
    )


def opset_of_mil_name(name: str, where: object = None) -> Opset:
    """The opset that the protobuf calls `name`.

    Raises:
        TargetError: no opset has this name.
    """
    for opset in OPSETS:
        if opset.mil_name == name:
            return opset
    known = ", ".join(opset.mil_name for opset in OPSETS)
    raise TargetError(f"unknown opset {quoted(name)}", where=where, hint=f"milopt knows {known}")
