"""Installed distributions with entry points, made on the spot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def install(
    site: Path, name: str, modules: Mapping[str, str], *, passes: str = "", pipelines: str = "", raw: str = ""
) -> None:
    """Puts a distribution where `importlib.metadata` finds it, once the folder is on `sys.path`.

    Args:
        site: the folder.
        name: the distribution's.
        modules: their code by name.
        passes: lines of the group `milopt.passes`: `name = module:Class`.
        pipelines: lines of the group `milopt.pipelines`.
        raw: what else is in the file of entry points.
    """
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "utf-8")
    groups = {"milopt.passes": passes, "milopt.pipelines": pipelines}
    texts = [f"[{group}]\n{lines}\n" for group, lines in groups.items() if lines]
    (info / "entry_points.txt").write_text("".join([*texts, raw]), "utf-8")
    for module, code in modules.items():
        (site / f"{module}.py").write_text(code, "utf-8")
