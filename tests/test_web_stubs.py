"""Gradio is imported without what only editors need."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from web.stubs import MAKER


def test_gradio_makes_no_stubs_and_has_all_else() -> None:
    code = f"import web, gradio, {MAKER} as maker; print(maker.create_or_modify_pyi(0, 0, 0), gradio.Radio.input)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.startswith("None <function")
    # Under another name it would be made again.
    spec = importlib.util.find_spec(MAKER)
    assert spec and spec.origin
    source = Path(spec.origin).read_text("utf-8")
    assert source.count("def create_or_modify_pyi(") == 1
