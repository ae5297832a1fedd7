from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from milopt.cli.entry import BAD_INPUT, CHECK_FAILED, DONE

Command = Callable[..., tuple[int, str, str]]
BROKEN = """program(1.3)
{
    func main<ios17>(tensor<fp16, [4]> x) {
            tensor<fp16, [4]> y = rellu(x = x);
            tensor<fp16, [5]> z = relu(x = x);
        } -> (y, z);
}
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    (tmp_path / "broken.mil").write_text(BROKEN, "utf-8")
    return tmp_path / "broken.mil"


@pytest.mark.parametrize("name", ["linear", "pipeline", "two_functions", "states"])
def test_model_without_faults(name: str, milopt: Command) -> None:
    assert milopt("verify", f"@{name}") == (DONE, "no faults\n", "")


def test_every_fault_has_its_line_and_a_caret(broken: Path, milopt: Command) -> None:
    code, out, err = milopt("verify", broken)
    types = (
        "declared as tensor<fp16, [5]> but inferred as tensor<fp16, [4]> (mend the declared type, or the op's inputs)"
    )
    assert (code, out) == (CHECK_FAILED, "2 faults\n")
    assert err.splitlines() == [
        f"{broken}:4:35: error: op 'y': unknown op 'rellu' (did you mean 'relu'?)",
        "            tensor<fp16, [4]> y = rellu(x = x);",
        "                                  ^~~~~",
        f"{broken}:5:13: error: op 'z': output 'z' is {types}",
        "            tensor<fp16, [5]> z = relu(x = x);",
        "            ^~~~~~~~~~~~~~~~~~~",
    ]


def test_faults_as_json(broken: Path, milopt: Command) -> None:
    code, out, err = milopt("verify", broken, "--json")
    found = json.loads(out)
    assert (code, err, found["errors"]) == (CHECK_FAILED, "", 2)
    assert found["diagnostics"][0] == {
        "severity": "error",
        "where": "op 'y'",
        "message": "unknown op 'rellu'",
        "hint": "did you mean 'relu'?",
        "file": str(broken),
        "line": 4,
        "column": 35,
    }


def test_no_faults_as_json(milopt: Command) -> None:
    code, out, _ = milopt("verify", "@linear", "--json")
    assert (code, json.loads(out)) == (DONE, {"errors": 0, "diagnostics": []})


def test_target_that_the_model_can_not_have(milopt: Command) -> None:
    code, out, err = milopt("verify", "@states", "--target", "iOS17")
    assert (code, out[-7:]) == (CHECK_FAILED, "faults\n")
    assert "error: function 'main': its opset is iOS18, which iOS17 does not have (choose iOS18 or" in err
    assert milopt("verify", "@states", "--target", "macOS15") == (DONE, "no faults\n", "")


def test_mistakes(milopt: Command) -> None:
    code, out, err = milopt("verify", "@/nothing.mil")
    assert (code, out, err.count("\n")) == (BAD_INPUT, "", 1)
    assert "no such file" in err
    code, _, err = milopt("verify", "@linear", "--target", "iOS71")
    assert (code, "unknown deployment target" in err) == (BAD_INPUT, True)
