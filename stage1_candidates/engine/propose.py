"""Stage ``propose@<source>``: fit a source to the past of each label week and store what it proposes.

Writes data/sources/<source>/, as ``proposals.write`` says.
"""

import sys

from retail import stage
from stage1_candidates.engine import proposals


def main() -> None:
    proposals.write(sys.argv[1], lambda plan, week: None)


if __name__ == "__main__":
    stage.run(main, f"propose_{sys.argv[1]}")
