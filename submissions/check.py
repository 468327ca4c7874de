"""Before the graph starts: every block of params.yaml is read, those of the plug-ins included, and a fault is named.

``python -m submissions.check``. The stages check their own blocks as they begin; this finds a typo in the last block
before the first stage has run.
"""

from features import group
from retail import params as parameters
from retail import stage
from stage1_candidates import source


def main() -> None:
    params = parameters.read()
    for name in (*params.sources, *params.networks):
        source.load(name, params)
    for name in params.features:
        group.load(name, params)


if __name__ == "__main__":
    stage.guarded(main, "check")
