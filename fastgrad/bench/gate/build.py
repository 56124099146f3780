"""Builds a commit as an asv.conf.json says, by asv itself, into an environment of its own. A script of the gate's.

``python build.py CONFIG FOLDER COMMIT PYTHON REPOSITORY`` runs where asv would, in the folder of the configuration, and
prints what the environment is as JSON in its last line. PYTHON overrides the configuration's unless it is empty; "same"
is this very Python, with its packages.
"""

# Design: - A process of its own, because asv prints, reads the current folder, and leaves by exceptions of many kinds.
#         - In asv an environment has one commit installed. The sides need theirs at once, so each has a folder of
#           environments of its own, with a name of the same length.

import json
import os
import signal
import sys
import venv
from pathlib import Path

from asv import environment, repo, util
from asv.config import Config
from asv.console import log
from asv.plugin_manager import plugin_manager  # which loads the kinds of environment

NO_DEPENDENCIES = ["in-dir={env_dir} python -m pip install --force-reinstall --no-deps {wheel_file}"]


class Same(environment.Environment):
    """This Python and all that is installed for it; only the project itself is another."""

    tool_name = "same"

    def __init__(self, config, python, requirements, variables):
        self._python, self._requirements = python, requirements
        super().__init__(config, python, requirements, variables)

    def check_presence(self):
        return os.path.exists(os.path.join(self._path, "bin", "python"))

    def _setup(self):
        venv.create(self._path, with_pip=False, symlinks=True)
        (site,) = Path(self._path).glob("lib/python*/site-packages")
        inherited = [path for path in sys.path if path.endswith("-packages")]
        (site / "inherited.pth").write_text("\n".join(inherited) + "\n")


def configuration(path: str, folder: str, python: str) -> Config:
    """What the file says, for one environment below ``folder``, of the repository that the file lies in."""
    config = Config.load(path)
    for name in config.plugins:
        plugin_manager.import_plugin(name)
    config.env_dir = folder
    config.environment_type = config.environment_type or "virtualenv"
    if python == "same":
        config.environment_type, config.pythons = "same", [f"{sys.version_info[0]}.{sys.version_info[1]}"]
        config.matrix, config.exclude, config.include = {}, [], []
        config.install_command = config.install_command or NO_DEPENDENCIES
    elif python:
        config.pythons = [python]
    return config


def main(path: str, folder: str, commit: str, python: str, where: str) -> None:
    log.enable(verbose=False)
    config = configuration(path, folder, python)
    config.repo, config.dvcs = where, "git"
    environments = list(environment.get_environments(config, []))
    if not environments:
        raise util.UserError(
            f"no {config.environment_type} of Python {', '.join(config.pythons)} can be made; see --python"
        )
    chosen = environments[0]
    if not chosen.can_install_project():
        raise util.UserError("environment_type 'existing' holds one revision, not two; --python same has its packages")
    chosen.create()
    chosen.install_project(config, repo.get_repo(config), commit)
    facts = {
        "python": chosen.find_executable("python"),
        "variables": chosen.env_vars,
        "tree": chosen._build_root,
        "name": chosen.name,
        "others": [other.name for other in environments[1:]],
    }
    print("\n" + json.dumps(facts))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # then asv ends the command that it runs
    try:
        main(*sys.argv[1:])
    except (util.UserError, environment.EnvironmentUnavailable, RuntimeError) as error:
        sys.exit(f"error: {error}")
