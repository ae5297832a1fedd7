"""What can fail a pass or refuse a rewrite, as `mil-opt`'s flags say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import click

from ..option_types import Integer
from .settings import settings

if TYPE_CHECKING:
    from ...passes.instrumentation.base import Instrumentation


@attrs.frozen(kw_only=True)
class Checks:
    """What the options say; the names are theirs."""

    verify_each: bool = True
    verify_claims: bool = False
    rewrite_limit: int | None = None

    @classmethod
    def of_flags(cls, flags: tuple[str, ...], rewrite_limit: int | None) -> Checks:
        """What `flags` gives, read back."""
        return cls(
            verify_each="--no-verify-each" not in flags,
            verify_claims="--verify-claims" in flags,
            rewrite_limit=rewrite_limit,
        )

    def verifiers(self) -> tuple[Instrumentation, ...]:
        """What can fail a pass, new."""
        from ...passes.instrumentation.verify_claims import VerifyClaims
        from ...passes.instrumentation.verify_each import VerifyEach

        claims = (VerifyClaims(),) if self.verify_claims else ()
        return (*claims, VerifyEach()) if self.verify_each else claims

    def limit(self) -> tuple[Instrumentation, ...]:
        """What refuses rewrites, if anything does."""
        from ...passes.instrumentation.rewrite_limit import RewriteLimit

        return () if self.rewrite_limit is None else (RewriteLimit(self.rewrite_limit),)

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags that say the same about verifiers."""
        told = (("--no-verify-each", not self.verify_each), ("--verify-claims", self.verify_claims))
        return tuple(flag for flag, given in told if given)


check_options = settings(
    "checks",
    Checks,
    (
        click.option("--verify-each/--no-verify-each", default=True, help="Verify after each pass.  [default: on]"),
        click.option(
            "--verify-claims",
            is_flag=True,
            help="Check what passes say of themselves: that nothing changed, or that an analysis still holds. Slow.",
        ),
        click.option("--rewrite-limit", type=Integer(min=0), metavar="N", help="Stop rewriting after N rewrites."),
    ),
)
