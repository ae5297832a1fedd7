"""Files that reports are written to while passes run."""

from __future__ import annotations

from pathlib import Path

from ...ir.errors import SaveError


class ReportFile:
    """A text file that is written line by line; what stood in it is gone.

    What goes wrong when it is written is told when it is closed: it is no pass's fault.

    Args:
        path: where.

    Raises:
        SaveError: it can not be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failure: OSError | None = None
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise self._refusal(error) from error

    def write(self, text: str) -> None:
        """Writes a text, unless an earlier one could not be written."""
        if self._failure is not None:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            self._failure = error

    def close(self) -> None:
        """Ends the file.

        Raises:
            SaveError: not all could be written.
        """
        try:
            self._file.close()
        except OSError as error:
            self._failure = self._failure or error
        if self._failure is not None:
            raise self._refusal(self._failure) from self._failure

    def _refusal(self, error: OSError) -> SaveError:
        return SaveError(f"remarks can not be written there: {error.strerror or error}", where=self._path)
