"""`python -m benchmarks.rewriting`: rules in the rewrite driver beside coremltools' passes of the same effect."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import attrs
import click
import numpy as np
from milopt.ir.copying import copy_program
from milopt.ir.equality import first_difference
from milopt.ir.fast_editing import fast_editing
from milopt.ir.pymil import available_target, builtin_type, mb, unique_names
from milopt.ir.rewriting.driver import rewrite
from milopt.ir.rewriting.patterns import Pattern
from milopt.ir.rewriting.rules import rule
from milopt.ir.targets import IOS17
from milopt.ir.walking import input_values, walk
from milopt.passes.foreign.passes import configured_pass

from . import reporting

SIZES = (1_300, 2_600, 5_200, 10_400)
OURS, PASS, THEIRS, THEIRS_FAST = "milopt", "coremltools' pass", "and dead code", "both, fast editing"
_DEAD_CODE = "common::dead_code_elimination"


@attrs.frozen
class Job:
    """One effect that both have.

    Attributes:
        pass_id: coremltools' pass.
        rule: the same in milopt.
        dtype: of the input, 4 rows of 16.
        unit: what the pass finds once: makes the next value from one, given a number.
    """

    pass_id: str
    rule: Pattern
    dtype: str
    unit: Callable[[Any, int], Any]

    def program(self, ops: int) -> Any:
        """A program of at least `ops` ops, constants counted, all of them in units."""
        for_one = _count(self._build(2)) - _count(self._build(1))
        return self._build(-(-ops // for_one))

    def _build(self, units: int) -> Any:
        def body(x: Any) -> Any:
            for index in range(units):
                x = self.unit(x, index)
            return mb.dequantize(input=x, scale=np.float16(1), name="out") if self.dtype == "int8" else x

        spec = mb.TensorSpec((4, 16), dtype=builtin_type(self.dtype))
        with unique_names(()), mb.scope():
            return mb.program(input_specs=[spec], opset_version=available_target(IOS17))(body)


def _count(program: Any) -> int:
    return sum(1 for _ in walk(program))


def _reshape_between(x: Any, index: int) -> Any:
    scale = np.float16(0.5 + index % 7)
    x = mb.dequantize(input=x, scale=scale, name=f"real_{index}")
    x = mb.reshape(x=x, shape=[4, 16] if index % 2 else [8, 8], name=f"shaped_{index}")
    return mb.quantize(input=x, scale=scale, output_dtype="int8", name=f"codes_{index}")


def _written_out_gelu(x: Any, index: int) -> Any:
    y = mb.erf(x=mb.real_div(x=x, y=np.float16(math.sqrt(2))), name=f"erf_{index}")
    y = mb.mul(x=mb.add(x=y, y=np.float16(1)), y=np.float16(0.5), name=f"half_{index}")
    return mb.mul(x=y, y=x, name=f"gelu_{index}")


JOBS = (
    Job(
        "common::int_op_canonicalization",
        rule(
            "quantize(reshape(dequantize(q, scale=s, zero_point=z?, axis=a?), shape=n),"
            " scale=s, zero_point=z?, axis=a?, output_dtype=t) -> reshape(q, shape=n)",
            name="reshape-codes",
        ),
        "int8",
        _reshape_between,
    ),
    Job(
        "common::fuse_gelu_exact",
        rule(
            'mul(mul(add(erf(real_div(x, r)), 1), 0.5), x) -> gelu(x, mode="EXACT")',
            name="fuse-gelu",
            where=lambda r: r.val is not None and np.ndim(r.val) == 0 and abs(float(r.val) - math.sqrt(2)) < 1e-3,
        ),
        "fp16",
        _written_out_gelu,
    ),
)


def measure(sizes: Sequence[int], rounds: int) -> dict[str, Any]:
    """The whole benchmark, as a record of plain values."""
    jobs = {job.pass_id: [_measure_size(job, size, rounds) for size in sizes] for job in JOBS}
    return {"environment": reporting.environment(), "rounds": rounds, "jobs": jobs}


def _measure_size(job: Job, size: int, rounds: int) -> dict[str, Any]:
    program = job.program(size)
    reporting.progress(f"{job.pass_id}: {_count(program):,} ops")
    runs: list[dict[str, float]] = []
    for _ in range(rounds):
        ours, with_rule = _ours(job, program)
        alone, theirs, with_pass = _theirs(job, program)
        with fast_editing():
            _, fast, with_fast_pass = _theirs(job, program)
        _check_same_effect(program, with_rule, with_pass, with_fast_pass)
        runs.append({OURS: ours, PASS: alone, THEIRS: theirs, THEIRS_FAST: fast})
    return {
        "ops": _count(program),
        "seconds": {tool: median(run[tool] for run in runs) for tool in runs[0]},
        "ratios": {tool: median(run[OURS] / run[tool] for run in runs) for tool in (PASS, THEIRS, THEIRS_FAST)},
    }


def _ours(job: Job, program: Any) -> tuple[float, Any]:
    """The CPU seconds (there is one thread) that the driver takes on a copy of a program; and the copy."""
    copy = copy_program(program)
    gc.collect()
    start = time.process_time()
    rewrite(copy, [job.rule])
    return time.process_time() - start, copy


def _theirs(job: Job, program: Any) -> tuple[float, float, Any]:
    """The same of coremltools' pass, and of it with the removal of the dead code that it leaves."""
    copy = copy_program(program)
    gc.collect()
    start = time.process_time()
    configured_pass(job.pass_id, {})(copy)
    alone = time.process_time() - start
    configured_pass(_DEAD_CODE, {})(copy)
    return alone, time.process_time() - start, copy


def _check_same_effect(before: Any, *results: Any) -> None:
    """Checks that all results are one program, but for names and the places of constants, and a smaller one."""
    first, *others = map(_renamed, results)
    differences = [first_difference(first, other) for other in others]
    if any(differences) or _count(first) >= _count(before):
        raise click.ClickException(f"not the same effect: {differences}")


def _renamed(program: Any) -> Any:
    """The program with ops named after their places, each constant in front of its only user and named after it."""
    result = copy_program(program)
    operations = next(iter(result.functions.values())).operations
    for index, operation in enumerate([each for each in operations if each.op_type != "const"]):
        operation.name = operation.outputs[0].name = f"op_{index}"
        for parameter, var in sorted(input_values(operation), key=lambda pair: pair[0]):
            if var.op is not None and var.op.op_type == "const":
                var.op.name = var.name = f"op_{index}_{parameter}"
                operations.remove(var.op)
                operations.insert_op_before(var.op, operation)
    return result


def growth(sizes: Sequence[dict[str, Any]], tool: str) -> float:
    """The power of the number of ops that time grows with, from the smallest size to the largest: 1 is linear."""
    first, last = sizes[0], sizes[-1]
    return math.log(last["seconds"][tool] / first["seconds"][tool]) / math.log(last["ops"] / first["ops"])


def print_record(record: dict[str, Any]) -> None:
    """Prints what `measure` gave as text."""
    print(f"{reporting.in_words(record['environment'])}\n")
    for pass_id, sizes in record["jobs"].items():
        tools = [*sizes[0]["seconds"]]
        print(pass_id)
        last = ("growth", *(f"ops^{growth(sizes, tool):.2f}" for tool in tools))
        reporting.print_table(("ops", *tools), [*(_row(each, tools) for each in sizes), last])


def _row(found: dict[str, Any], tools: Sequence[str]) -> tuple[str, ...]:
    cells = (f"{1e3 * found['seconds'][tool]:,.0f} ms" for tool in tools)
    ratios = ("" if tool == OURS else f", {found['ratios'][tool]:.2f}" for tool in tools)
    return f"{found['ops']:,}", *(cell + ratio for cell, ratio in zip(cells, ratios, strict=True))


@click.command()
@click.option("--sizes", default=",".join(map(str, SIZES)), show_default=True, help="Numbers of ops, with commas.")
@click.option("--rounds", default=3, show_default=True, help="How often each is done, in turns; medians count.")
@reporting.json_option
def main(*, sizes: str, rounds: int, as_json: bool) -> None:
    """Rewrite programs of several sizes with rules of milopt and with passes of coremltools of the same effect."""
    reporting.show(measure([*map(int, sizes.split(","))], rounds), print_record, as_json=as_json)


if __name__ == "__main__":
    main()
