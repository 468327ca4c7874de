"""What the project's numba kernels may not do."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("retail", "stage1_candidates", "features", "stage2_ranker", "submissions", "insights", "benchmarks")


def kernels(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(one) for one in node.decorator_list):
            yield node


def sorts_by_place(kernel: ast.FunctionDef) -> list[int]:
    """Lines of calls of argsort by any method but mergesort."""
    calls = (node for node in ast.walk(kernel) if isinstance(node, ast.Call))
    return [
        call.lineno
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "argsort"
        and not any(one.arg == "kind" and ast.unparse(one.value) == "'mergesort'" for one in call.keywords)
    ]


def test_no_kernel_argsorts_as_it_sorts() -> None:
    """numba's sort and argsort share the names of their inner parts, told apart by a number that each process counts
    anew: of two kernels from its cache one may be linked to the other's part, and writes past its arrays."""
    files = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
    found = {file: list(kernels(ast.parse(file.read_text(encoding="utf-8")))) for file in files}
    assert sum(map(len, found.values())) > 20
    faults = [f"{file}:{line}" for file, some in found.items() for kernel in some for line in sorts_by_place(kernel)]
    assert not faults, faults


def test_the_rule_sees_an_argsort() -> None:
    source = (
        "@numba.njit(cache=True)\ndef f(x):\n    a = np.argsort(x)\n    return x[a], np.argsort(-x, kind='mergesort')"
    )
    [kernel] = kernels(ast.parse(source))
    assert sorts_by_place(kernel) == [3]
