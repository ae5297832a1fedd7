"""The exit codes of both commands."""

from __future__ import annotations

DONE = 0
CHECK_FAILED = 1
"""The work was done, but a check that was asked for did not hold."""
BAD_INPUT = 2
"""Bad usage or bad input."""
INTERRUPTED = 130
