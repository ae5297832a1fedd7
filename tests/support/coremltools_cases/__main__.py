"""Prints a case as MIL text, weights inside, for `mil-opt -`; see docs/coremltools.md.

python -m support.coremltools_cases CASE [SAMPLES.npz]
"""

from __future__ import annotations

import sys

import milopt
import numpy as np

from .all_cases import CASES

name, *files = sys.argv[1:]
case = CASES[name]
for file in files:
    (sample,) = case.samples()
    np.savez(file, **{key: value[np.newaxis] for key, value in sample.items()})
sys.stdout.write(milopt.print_program(case.program(), weights="inline"))
