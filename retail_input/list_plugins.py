"""Stage ``list_plugins``: list the sources, networks and feature groups that params.yaml names.

Writes data/plugins.json. DVC keeps the folder of a plug-in whose block was deleted from params.yaml. Because of this
file, the stages that read all such folders run again after a deletion. The stage runs after every change of params.yaml
and takes a moment; where the names stay, the file stays, and nothing that depends on it runs again.
"""

import json

from retail import params, paths, stage


def main() -> None:
    """Write the sorted names of each kind of plug-in."""
    blocks = params.read()
    names = {kind: sorted(getattr(blocks, kind)) for kind in ("sources", "networks", "features")}
    with stage.whole_file(paths.PLUGINS) as part:
        part.write_text(json.dumps(names, indent=1) + "\n")


if __name__ == "__main__":
    stage.run(main, "list_plugins")
