"""Fit a source to the history before each label week and store its candidates (stage ``propose@<source>``).

The stage writes data/sources/<source>/; ``proposals.write`` describes the files.
"""

import sys

from retail import stage
from stage1_candidates.engine import proposals


def main() -> None:
    proposals.write(sys.argv[1], lambda plan, week: None)


if __name__ == "__main__":
    stage.run(main, f"propose_{sys.argv[1]}")
