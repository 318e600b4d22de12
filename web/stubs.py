"""Gradio without the stubs that it makes of its components for editors: 40 percent of the time of its import."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

MAKER = "gradio.component_meta"


class _Finder(MetaPathFinder):
    """Finds the module that makes them, and takes that part of it away once it has run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == MAKER else None
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            vars(module)["create_or_modify_pyi"] = lambda *_: None

        vars(spec.loader)["exec_module"] = exec_module
        return spec


def leave_out() -> None:
    """To be called before Gradio is imported; later it does nothing."""
    sys.meta_path.insert(0, _Finder())
