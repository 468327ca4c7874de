"""Test that no control flow depends on a progress bar: with TQDM_DISABLE=1 a bar counts nothing."""

import ast

import pytest
from csv_shop import ROOT

PACKAGES = ("retail", "retail_input", "shops", "stage1_candidates", "features", "stage2_ranker", "submissions",
            "insights", "benchmarks", "research")  # fmt: skip
COUNTS = {"n", "last_print_n", "initial", "total", "start_t", "format_dict"}


def list_reads(text: str) -> list[str]:
    """List the reads of a bar's counts in a module, as in bar.n.

    A bar is what a call of tqdm or trange returns, and every parameter that is called like a bar of the same module.
    """
    tree = ast.parse(text)
    bound = [(node.optional_vars, node.context_expr) for node in ast.walk(tree) if isinstance(node, ast.withitem)]
    bound += [
        (target, node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets
    ]
    bound += [(node.target, node.value) for node in ast.walk(tree) if isinstance(node, ast.NamedExpr)]
    bars = {ast.unparse(target) for target, value in bound if target is not None and is_bar(value)}
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in COUNTS
        and isinstance(node.ctx, ast.Load)
        and (ast.unparse(node.value) in bars | {"bar", "pbar", "progress", "progress_bar"} or is_bar(node.value))
    ]


def is_bar(value: ast.AST | None) -> bool:
    """Tell whether an expression makes a bar, such as tqdm(weeks) or tqdm.tqdm(weeks)."""
    return isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] in ("tqdm", "trange")


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("with tqdm(total=3) as b:\n    while b.n < 3:\n        b.update()", ["b.n"]),
        ("b = tqdm.tqdm(total=3)\ndef show(b):\n    return b.n", ["b.n"]),
        ("self.b = trange(3)\nif self.b.total: pass", ["self.b.total"]),
        ("def show(bar):\n    return int(bar.n)", ["bar.n"]),
        ("if tqdm(weeks).n: pass", ["tqdm(weeks).n"]),
        ("with tqdm(total=3) as b:\n    b.n = 3\n    b.update(self.n)", []),
        ("for week in tqdm(weeks):\n    week.n", []),
    ],
)
def test_reads_of_a_bar_are_found(text: str, reads: list[str]) -> None:
    assert list_reads(text) == reads


def test_no_code_reads_the_counts_of_a_progress_bar() -> None:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    reads = {file.relative_to(ROOT).as_posix(): list_reads(file.read_text(encoding="utf-8")) for file in files}
    assert len(files) > 100 and not {file: found for file, found in reads.items() if found}
