"""Reads docstrings of fields: the string literals below annotated names of a class, which Python does not keep."""

import ast
import inspect
from types import ModuleType


def of_fields(module: ModuleType) -> dict[str, dict[str, str]]:
    """Returns the docstring of each documented field, by class and field. Empty if the module's source is not
    installed."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except OSError:
        return {}
    return {node.name: _of_class(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _of_class(node: ast.ClassDef) -> dict[str, str]:
    found: dict[str, str] = {}
    for field, text in zip(node.body, node.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
            found[field.target.id] = inspect.cleandoc(text.value.value)
    return found
