from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15
from milopt.runtime.session import Session
from support.program_registry import weights
from support.running import program_of, run

REAL, IMAGINARY = weights(2, 3, 8, dtype="float32"), weights(2, 3, 8, dtype="float32", seed=1)
COMPLEX = REAL + 1j * IMAGINARY


def parts(data: Any) -> tuple[Any, Any]:
    return mb.complex_real(data=data), mb.complex_imag(data=data)


def lowered_and_run(body: Callable[[Any, Any], Any]) -> list[np.ndarray]:
    """The outputs after coremltools has made the ops on complex numbers into core ops."""
    inputs = {"real": REAL, "imaginary": IMAGINARY}
    program = program_of(body, IOS15, inputs, symbolic=False)
    for name in ("common::lower_complex_dialect_ops", "common::dead_code_elimination"):
        PASS_REGISTRY[name](program)
    return list(Session(program).run(inputs).values())


@pytest.mark.parametrize("norm", ["backward", "forward", "ortho"])
@pytest.mark.parametrize(("mine", "theirs"), [("complex_fft", np.fft.fft), ("complex_ifft", np.fft.ifft)])
@pytest.mark.parametrize(("length", "axis"), [(None, -1), (5, 1), (2, 0)])
def test_lowered_transforms(mine: str, theirs: Callable[..., Any], norm: str, length: int | None, axis: int) -> None:
    def body(real: Any, imaginary: Any) -> Any:
        data = mb.complex(real_data=real, imag_data=imaginary)
        return parts(getattr(mb, mine)(data=data, n=length, dim=axis, norm=norm))

    real, imaginary = lowered_and_run(body)

    np.testing.assert_allclose(real + 1j * imaginary, theirs(COMPLEX, length, axis, norm), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("mine", "theirs"), [("complex_fftn", np.fft.fftn), ("complex_ifftn", np.fft.ifftn)])
def test_lowered_transforms_of_several_axes(mine: str, theirs: Callable[..., Any]) -> None:
    def body(real: Any, imaginary: Any) -> Any:
        data = mb.complex(real_data=real, imag_data=imaginary)
        return parts(getattr(mb, mine)(data=data, shapes=[4, 5], dims=[1, 2]))

    real, imaginary = lowered_and_run(body)

    np.testing.assert_allclose(real + 1j * imaginary, theirs(COMPLEX, [4, 5], [1, 2]), rtol=1e-4, atol=1e-5)


def test_lowered_transforms_of_real_numbers_and_back() -> None:
    def body(real: Any, imaginary: Any) -> Any:
        spectrum = mb.complex_rfft(data=real)
        return *parts(spectrum), mb.complex_irfft(data=spectrum), mb.identity(x=imaginary)

    real, imaginary, back, _ = lowered_and_run(body)

    np.testing.assert_allclose(real + 1j * imaginary, np.fft.rfft(REAL), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(back, REAL, rtol=1e-4, atol=1e-5)


def test_lowered_transforms_of_real_numbers_of_several_axes_and_back() -> None:
    def body(real: Any, imaginary: Any) -> Any:
        spectrum = mb.complex_rfftn(data=real, dims=[1, 2])
        return *parts(spectrum), mb.complex_irfftn(data=spectrum, dims=[1, 2]), mb.identity(x=imaginary)

    real, imaginary, back, _ = lowered_and_run(body)

    np.testing.assert_allclose(real + 1j * imaginary, np.fft.rfftn(REAL, axes=[1, 2]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(back, REAL, rtol=1e-4, atol=1e-5)


def test_lowered_magnitude() -> None:
    def body(real: Any, imaginary: Any) -> Any:
        return mb.complex_abs(x=mb.complex(real_data=real, imag_data=imaginary))

    (magnitude,) = lowered_and_run(body)

    np.testing.assert_allclose(magnitude, np.abs(COMPLEX), rtol=1e-5)


def test_lowered_short_time_transform() -> None:
    window = np.hanning(4).astype(np.float32)

    def body(real: Any, imaginary: Any) -> Any:
        signal = mb.reshape(x=real, shape=[2, 24])
        spectrum = mb.complex_stft(input=signal, n_fft=4, hop_length=2, win_length=4, window=window)
        return *parts(spectrum), mb.identity(x=imaginary)

    real, imaginary, _ = lowered_and_run(body)
    frames = np.lib.stride_tricks.sliding_window_view(REAL.reshape(2, 24), 4, axis=1)[:, ::2]
    expected = np.fft.rfft(frames * window).transpose(0, 2, 1)

    np.testing.assert_allclose(real + 1j * imaginary, expected, rtol=1e-4, atol=1e-5)


def test_complex_ops_that_are_not_lowered_are_refused() -> None:
    with pytest.raises(RunError, match=r"can not run 'complex_fft'.*run the pass common::lower_complex_dialect_ops"):
        run(lambda x: mb.complex_real(data=mb.complex_fft(data=x)), x=REAL)


def test_symbols_in_the_place_of_values_are_refused() -> None:
    with pytest.raises(RunError, match=r"can not run '_const_symbolic'.*symbol"):
        run(lambda x: (mb._const_symbolic(val=np.int32(3)), mb.identity(x=x)), x=REAL)
