"""Group articles into categories by the values of one column of articles.csv."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from insights.project import Project, read_params
from retail import paths
from retail.errors import InputError
from retail.log import Array
from retail_input import csvs

COLUMN = "product_type_name"  # the default column
NONE = "(none)"  # the category of an article without a value
EXAMPLES = 8  # categories that an error message lists


@dataclass(frozen=True)
class Categories:
    """The categories of all articles; a category's code is its position in ``names``."""

    column: str
    names: list[str]  # ascending
    item_category: Array  # (items,) int64 code

    def encode(self, name: str) -> int:
        """Return the code of category ``name``; raise InputError if no article has it."""
        if name not in self.names:
            count = np.bincount(self.item_category, minlength=len(self.names))
            largest = [self.names[k] for k in np.lexsort((np.arange(len(count)), -count))[:EXAMPLES]]
            raise InputError(
                f"{self.column} '{name}': no article has it; expected a value of that column, such as "
                f"{', '.join(largest)}; or name another column by --column"
            )
        return self.names.index(name)


def read_categories(project: Project, column: str) -> Categories:
    """Read the categories: from the prepared articles if ``column`` is text there, else from articles.csv.

    The prepared table holds most columns as codes, which mean nothing to a reader.
    """
    prepared = pl.read_parquet(project.folder / paths.ARTICLES)
    if prepared.schema.get(column) == pl.String:
        return build_categories(column, prepared[column])
    file = project.folder / read_params(project).data.folder / "articles.csv"
    csv = csvs.open_csv(file, ("article_id", column))
    ids = pl.DataFrame({"article_id": project.article_id})
    rows = ids.join(
        csv.read(("article_id", column)), on="article_id", how="left", validate="1:1", maintain_order="left"
    )
    return build_categories(column, rows[column])


def build_categories(column: str, values: pl.Series) -> Categories:
    """Build the categories from a text column with one row per article."""
    filled = values.fill_null("").replace("", NONE).to_numpy()
    names, code = np.unique(filled.astype(str), return_inverse=True)
    return Categories(column, [str(name) for name in names], code.astype(np.int64))
