"""Imports go one way: app -> web, evaluation -> ingest -> rag; each framework stays in its own adapter."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "rag": {"rag"},
    "ingest": {"ingest", "rag"},
    "evaluation": {"evaluation", "ingest", "rag"},
    "web": {"web", "ingest", "rag"},
}
ADAPTERS = {
    # What the program is measured against stands outside of it.
    "chromadb": {"rag/vectors", "evaluation/bench/plain.py"},
    "tantivy": {"rag/lexical.py"},
    "gradio": {"web/", "app.py"},
    "mcp": {"web/mcp.py"},
    "llama_cpp": {"rag/models/", "rag/embed/", "evaluation/bench/gguf.py"},
    "langchain_openai": {"rag/models/", "rag/embed/"},
    "pypdfium2": {"ingest/loaders/", "web/sources/painter.py", "web/sources/marks.py"},
    "onnxruntime": {"rag/embed/", "rag/rerank.py"},
    "torch": {"rag/rerank.py"},
    "ir_measures": {"evaluation/retrieval.py"},
}
FILES = sorted(path.relative_to(ROOT).as_posix() for package in ALLOWED for path in (ROOT / package).rglob("*.py"))


def imported(path: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module or "")
    return names


def test_there_are_files_to_look_at() -> None:
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES)
def test_imports_go_one_way(path: str) -> None:
    tops = {name.split(".")[0] for name in imported(path)}
    assert tops & (ALLOWED.keys() | {"app", "tests"}) <= ALLOWED[path.split("/")[0]]


@pytest.mark.parametrize("path", FILES)
def test_frameworks_stay_in_their_adapters(path: str) -> None:
    for name in {name.split(".")[0] for name in imported(path)} & ADAPTERS.keys():
        assert any(path.startswith(place) for place in ADAPTERS[name]), f"{path} imports {name}"


@pytest.mark.parametrize("name", ["types", "errors", "settings"])
def test_the_bottom_of_rag_imports_nothing_above_it(name: str) -> None:
    assert {item for item in imported(f"rag/{name}.py") if item.startswith("rag")} <= {"rag.errors"}
