"""Coverage-guided fuzzing of the parser of MIL text with atheris; see README.md beside this file.

Arguments are libFuzzer's. Without a folder among them the corpus is a temporary one of `hostile_texts.seeds`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import atheris

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

with atheris.instrument_imports(include=["milopt.ir.text"]):
    from support.hostile_texts import damaged, seeds
    from support.text_oracle import check_reading

SEEDS = seeds()
LONGEST = 20_000


def try_text(data: bytes) -> None:
    """Lets everything but a program or an error of ours escape, which atheris reports with the text."""
    check_reading(data.decode("utf-8", "ignore"))


def mutate(data: bytes, longest: int, seed: int) -> bytes:
    """Damage that knows tokens, in turn with libFuzzer's own, which knows bytes."""
    if seed % 2:
        return bytes(atheris.Mutate(data, longest))
    text = data.decode("utf-8", "ignore")
    rng = Random(seed)  # noqa: S311 - not for secrets
    return damaged(rng, [text, text, text, *SEEDS[:1]]).encode("utf-8", "ignore")[:longest]


def main() -> None:
    """Runs until an input fails, or as long as the arguments say."""
    with TemporaryDirectory() as folder:
        arguments = [*sys.argv, f"-max_len={LONGEST}"]
        if all(argument.startswith("-") for argument in sys.argv[1:]):
            for index, text in enumerate(SEEDS):
                Path(folder, f"seed-{index}").write_text(text, "utf-8")
            arguments.append(folder)
        atheris.Setup(arguments, try_text, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
