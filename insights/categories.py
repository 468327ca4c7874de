"""Articles by category: the values of one column of articles.csv, told by their names."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from insights import project as projects
from insights.project import Project
from retail import paths
from retail.errors import InputError
from retail.log import Array
from retail_input import csvs

COLUMN = "product_type_name"  # what a category is, where nobody says otherwise
NONE = "(none)"  # the category of an article without a value
NAMED = 8  # categories that an error names


@dataclass(frozen=True)
class Categories:
    column: str
    names: list[str]  # ascending
    of_item: Array  # (items,) int64 place of each article's category in ``names``

    def code(self, name: str) -> int:
        """The place of ``name``; an InputError where there is none."""
        if name not in self.names:
            count = np.bincount(self.of_item, minlength=len(self.names))
            largest = [self.names[k] for k in np.lexsort((np.arange(len(count)), -count))[:NAMED]]
            raise InputError(
                f"{self.column} '{name}': no article has it; expected a value of that column, such as "
                f"{', '.join(largest)}; or name another column by --column"
            )
        return self.names.index(name)


def of_project(project: Project, column: str) -> Categories:
    """Categories by ``column`` of the prepared articles where it is a text there, or else of the shop's articles.csv.

    The prepared table holds most columns as codes, of which a reader can make nothing.
    """
    prepared = pl.read_parquet(project.folder / paths.ARTICLES)
    if prepared.schema.get(column) == pl.String:
        return of_values(column, prepared[column])
    csv = csvs.opened(project.folder / projects.params(project).data.folder / "articles.csv", ("article_id", column))
    ids = pl.DataFrame({"article_id": project.article_id})
    rows = ids.join(
        csv.read(("article_id", column)), on="article_id", how="left", validate="1:1", maintain_order="left"
    )
    return of_values(column, rows[column])


def of_values(column: str, values: pl.Series) -> Categories:
    """Categories of a text column, a row per article."""
    filled = values.fill_null("").replace("", NONE).to_numpy()
    names, of_item = np.unique(filled.astype(str), return_inverse=True)
    return Categories(column, [str(name) for name in names], of_item.astype(np.int64))
