"""Check a rule that the project's numba kernels must follow."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("retail", "stage1_candidates", "features", "stage2_ranker", "submissions", "insights", "benchmarks")


def find_kernels(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(
            ast.unparse(decorator) == "kernel" or "njit" in ast.unparse(decorator) for decorator in node.decorator_list
        ):
            yield node


def find_argsorts(kernel: ast.FunctionDef) -> list[int]:
    """Find the lines that call argsort with any method but mergesort."""
    calls = (node for node in ast.walk(kernel) if isinstance(node, ast.Call))
    return [
        call.lineno
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "argsort"
        and not any(word.arg == "kind" and ast.unparse(word.value) == "'mergesort'" for word in call.keywords)
    ]


def test_no_kernel_uses_quicksort_for_argsort() -> None:
    """numba's sort and argsort name their inner functions alike, but for a number that each process counts from zero.

    Two cached kernels may therefore be linked to each other's inner function, which writes past its arrays.
    """
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    by_file = {file: list(find_kernels(ast.parse(file.read_text(encoding="utf-8")))) for file in files}
    assert sum(map(len, by_file.values())) > 20
    faults = [
        f"{file}:{line}" for file, kernels in by_file.items() for kernel in kernels for line in find_argsorts(kernel)
    ]
    assert not faults, faults


def test_the_rule_detects_an_argsort() -> None:
    source = (
        "@numba.njit(cache=True)\ndef f(x):\n    a = np.argsort(x)\n    return x[a], np.argsort(-x, kind='mergesort')"
    )
    [kernel] = find_kernels(ast.parse(source))
    assert find_argsorts(kernel) == [3]
