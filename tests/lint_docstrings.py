"""`python -m tests.lint_docstrings`: numpydoc's checks on every public function and class of the project.

numpydoc reads files as text and takes properties for functions and functions within functions for public ones; both
are left out here, and so are members of protocols and empty package files.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from numpydoc.hooks.validate_docstrings import parse_config, process_file

ROOT = Path(__file__).parents[1]


def exempt(tree: ast.AST, in_function: bool = False, in_protocol: bool = False) -> Iterator[int]:
    """Find lines of definitions that need no sections: properties, members of protocols, functions in functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
            if in_function or in_protocol or names & {"property", "cached_property", "setter", "overload"}:
                yield node.lineno
                yield from (decorator.lineno for decorator in node.decorator_list)
            yield from exempt(node, True, in_protocol)
        elif isinstance(node, ast.ClassDef):
            is_protocol = any(ast.unparse(base).startswith("Protocol") for base in node.bases)
            yield from exempt(node, in_function, in_protocol or is_protocol)
        else:
            yield from exempt(node, in_function, in_protocol)


def findings(path: Path) -> list[str]:
    """Check one file; each finding is "path:line: check message"."""
    text = path.read_text(encoding="utf-8")
    if not text.strip():
        return []
    skipped = set(exempt(ast.parse(text)))
    lines = []
    for where, _, check, message in process_file(str(path), parse_config(str(ROOT))):
        line = int(where.rpartition(":")[2])
        if line not in skipped:
            lines.append(f"{path.relative_to(ROOT)}:{line}: {check} {message}")
    return lines


def main() -> int:
    """Check the files named, or all; the exit code is 1 where there is any finding."""
    chosen = [Path(name).resolve() for name in sys.argv[1:]] or sorted(ROOT.glob("brivl/**/*.py"))
    lines = [line for path in chosen for line in findings(path)]
    print("\n".join(lines))
    print(f"{len(lines)} findings in {len(chosen)} files")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
