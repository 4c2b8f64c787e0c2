import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import picture_bytes

ROOT = Path(__file__).parents[2]
THE_ONE_PLACE = ROOT / "src" / "skysort" / "classifier" / "runtime.py"


def imports_onnxruntime(source: str) -> bool:
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
        elif isinstance(node, ast.Call):
            names += [str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)]
    return any(name.partition(".")[0] == "onnxruntime" for name in names)


@pytest.mark.parametrize(
    "source", ["import onnxruntime as ort", "from onnxruntime import x", "importorskip('onnxruntime')"]
)
def test_the_search_for_imports_finds_them(source: str) -> None:
    assert imports_onnxruntime(source)


def test_one_place_imports_onnx_runtime() -> None:
    sources = (
        path for folder in ("src", "tests", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")
    )
    found = [path for path in sources if imports_onnxruntime(path.read_text("utf-8"))]
    assert found == [THE_ONE_PLACE]


@pytest.mark.parametrize("set_before", [{}, {"ORT_DISABLE_TELEMETRY": "0"}])
def test_an_answer_leaves_no_device_id_and_no_event(
    set_before: dict[str, str], finished_run: Path, tmp_path: Path
) -> None:
    # ONNX Runtime 1.29 and later writes both below the cache folder as soon as it is imported.
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    home = tmp_path / "home"
    home.mkdir()
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != "ORT_DISABLE_TELEMETRY" and not name.startswith("XDG_")
    }
    subprocess.run(
        [sys.executable, "-m", "skysort", "predict", finished_run, tmp_path / "1.png"],
        env={**inherited, **set_before, "HOME": str(home), "USERPROFILE": str(home)},
        check=True,
    )
    assert list(home.rglob("*")) == []


def test_child_processes_send_no_telemetry_either() -> None:
    script = (
        "import subprocess, sys; from skysort.classifier.runtime import onnx_runtime; onnx_runtime();"
        "subprocess.run([sys.executable, '-c', 'import os; print(os.environ[\"ORT_DISABLE_TELEMETRY\"])'])"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "1\n"


def test_the_service_turns_telemetry_off() -> None:
    service = (ROOT / "examples" / "skysort-watch.service").read_text("utf-8")
    assert "\nEnvironment=ORT_DISABLE_TELEMETRY=1\n" in service
