"""Whatever goes wrong while a package is written, what stood there before is untouched and nothing is left over."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import milopt
import pytest
from milopt.ir.errors import ProgramError, SaveError
from milopt.ir.weights.files import WeightFileWriter
from support.editing import find_op, replace_constant
from support.packages import Shelf, contents, copy_package
from support.programs import PROGRAMS, weights
from support.refusals import refusal

# --- where a package can not be written


@pytest.fixture
def model(shelf: Shelf) -> Any:
    """A model with a changed weight: saving it writes a weight file."""
    result = milopt.load(shelf["linear_chain"])
    replace_constant(find_op(result.program, "first_weight_0"), weights(64, 40, seed=9))
    return result


def assert_save_refused(
    model: Any, path: Path, kind: type[milopt.MiloptError], pattern: str, *, overwrite: bool = False
) -> None:
    """Saving is refused, and the folder that `path` is in holds what it held."""
    before = contents(path.parent) if path.parent.is_dir() else {}
    beside = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    source = contents(model.package.root)
    refusal(lambda: model.save(path, overwrite=overwrite), kind, pattern)
    if path.parent.is_dir():
        assert contents(path.parent) == before
        assert sorted(path.parent.iterdir()) == beside
    assert contents(model.package.root) == source


def test_existing_output_is_not_replaced_unasked(model: Any, shelf: Shelf, tmp_path: Path) -> None:
    path = copy_package(shelf["linear"], tmp_path)
    assert_save_refused(model, path, SaveError, r"linear\.mlpackage: the output exists already .*overwrite=True")


def test_file_at_the_output_is_not_replaced_unasked(model: Any, tmp_path: Path) -> None:
    (tmp_path / "out.mlpackage").write_text("precious", "utf-8")
    assert_save_refused(model, tmp_path / "out.mlpackage", SaveError, r"out\.mlpackage: the output exists already")


def test_broken_link_at_the_output_is_not_replaced_unasked(model: Any, tmp_path: Path) -> None:
    (tmp_path / "out.mlpackage").symlink_to(tmp_path / "nowhere")
    assert_save_refused(model, tmp_path / "out.mlpackage", SaveError, r"out\.mlpackage: the output exists already")


@pytest.mark.parametrize("name", ["out", "out.mlmodel", "out.mlpackage.zip"])
def test_output_must_be_named_as_a_package(name: str, model: Any, tmp_path: Path) -> None:
    assert_save_refused(model, tmp_path / name, SaveError, rf"{name}: the output must end in \.mlpackage")


def test_output_in_a_missing_folder_is_refused(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "none" / "out.mlpackage"
    assert_save_refused(model, path, SaveError, r"out\.mlpackage: the folder '.*none' does not exist")
    assert not path.parent.exists()


def test_output_below_a_file_is_refused(model: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_save_refused(model, tmp_path / "file" / "out.mlpackage", SaveError, r"'.*file' does not exist")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_output_in_a_folder_without_permission_is_refused(model: Any, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    assert_save_refused(model, folder / "out.mlpackage", SaveError, r"locked: the folder can not be written to")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS], ids=errno.errorcode.get)
def test_folder_that_refuses_new_files_is_named(
    code: int, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> str:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    pattern = rf"{tmp_path.name}: the folder can not be written to"
    assert_save_refused(model, tmp_path / "out.mlpackage", SaveError, pattern)


# --- what fails midway


@pytest.fixture(params=["new output", "replaced output"])
def output(request: pytest.FixtureRequest, shelf: Shelf, tmp_path: Path) -> Path:
    """Where to save: a free path, or one where a package stands that has to survive."""
    if request.param == "replaced output":
        copy_package(shelf["linear"], tmp_path)
    return tmp_path / "linear.mlpackage"


def fail_after(count: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the n-th write to a weight file fail."""
    write, left = WeightFileWriter._put, [count]

    def put(self: WeightFileWriter, data: bytes | memoryview) -> None:
        if not left[0]:
            raise error
        left[0] -= 1
        write(self, data)

    monkeypatch.setattr(WeightFileWriter, "_put", put)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_full_disk_leaves_everything_as_it_was(
    count: int, output: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_after(count, OSError(errno.ENOSPC, "No space left on device"), monkeypatch)
    pattern = r"linear\.mlpackage: the disk is full; nothing was written \(free space"
    assert_save_refused(model, output, SaveError, pattern, overwrite=True)


def test_limit_of_the_operating_system_leaves_everything_as_it_was(output: Path, model: Any) -> None:
    resource = pytest.importorskip("resource", reason="limits of file sizes are a matter of POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = contents(output.parent)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        refusal(lambda: model.save(output, overwrite=True), SaveError, r"linear\.mlpackage: could not be written: ")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(output.parent) == before


def test_other_errors_of_the_disk_are_passed_on_in_words(
    output: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_after(1, OSError(errno.EIO, "Input/output error"), monkeypatch)
    pattern = r"linear\.mlpackage: could not be written: Input/output error"
    assert_save_refused(model, output, SaveError, pattern, overwrite=True)


def test_interruption_leaves_everything_as_it_was(output: Path, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before, beside = contents(output.parent), sorted(output.parent.iterdir())
    fail_after(2, KeyboardInterrupt(), monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        model.save(output, overwrite=True)
    assert contents(output.parent) == before
    assert sorted(output.parent.iterdir()) == beside


def test_source_that_vanished_is_reported(output: Path, shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = copy_package(shelf["linear_chain"], tmp_path / "source")
    model = milopt.load(source)
    source.rename(source.with_name("moved.mlpackage"))
    before = contents(tmp_path)
    refusal(lambda: model.save(output, overwrite=True), SaveError, r"linear\.mlpackage: could not be written: No such")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()], ids=repr)
def test_failure_between_the_two_renames_brings_the_old_package_back(
    error: BaseException, model: Any, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copy_package(shelf["linear"], tmp_path)
    before, rename = contents(tmp_path), Path.rename

    def fail_to_put_in_place(self: Path, target: Path) -> Path:
        if self.suffix == ".partial":
            assert not path.exists()
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_to_put_in_place)
    with pytest.raises((SaveError, KeyboardInterrupt)):
        model.save(path, overwrite=True)
    assert contents(tmp_path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_program_that_can_not_be_written_leaves_everything_as_it_was(output: Path, model: Any) -> None:
    program = PROGRAMS["classifier_strings"]()
    main = program.functions["main"]
    labels = find_op(program, "labels").outputs[0]
    labels.add_child_op(find_op(program, "scores"))  # coremltools refuses labels that two ops use
    assert main.operations
    model.stages[0].replace(program)
    assert_save_refused(model, output, ProgramError, r"can not be written: .*labels", overwrite=True)


def test_save_after_a_failed_one_succeeds(output: Path, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        fail_after(2, OSError(errno.ENOSPC, "No space left on device"), patch)
        with pytest.raises(SaveError):
            model.save(output, overwrite=True)
    model.save(output, overwrite=True)
    assert (
        find_op(milopt.load(output).program, "first_weight_0").outputs[0].val.tobytes()
        == weights(64, 40, seed=9).tobytes()
    )
    assert list(output.parent.iterdir()) == [output]


# --- what is not replaced, even where replacing is asked for


def test_a_folder_that_is_no_package_is_not_replaced(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.mlpackage"
    path.mkdir()
    (path / "precious.txt").write_text("precious", "utf-8")
    assert_save_refused(model, path, SaveError, "no package, and is not replaced", overwrite=True)


def test_a_file_is_not_replaced_by_a_folder(model: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.mlpackage").write_text("precious", "utf-8")
    assert_save_refused(
        model, tmp_path / "mine.mlpackage", SaveError, "no package, and is not replaced", overwrite=True
    )


def test_an_empty_folder_is_replaced(model: Any, tmp_path: Path) -> None:
    (tmp_path / "new.mlpackage").mkdir()
    model.save(tmp_path / "new.mlpackage", overwrite=True)
    assert milopt.load(tmp_path / "new.mlpackage").stages
