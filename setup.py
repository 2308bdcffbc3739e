"""What pyproject.toml cannot say: policies and migrations travel inside the wheel.

They stand beside the package in the tree, where people look for them, and as
``guard/_shipped`` in a wheel, where ``guard.storage.migrate.shipped`` finds them.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("migrations", "policies")


class BuildWithShipped(build_py):
    """Copies the folders of ``SHIPPED`` into what is built, unless it is an editable install."""

    def run(self) -> None:
        """Build the package, then put the folders in."""
        super().run()
        for name in () if self.editable_mode else SHIPPED:
            shutil.copytree(
                name,
                Path(self.build_lib) / "guard" / "_shipped" / name,
                ignore=shutil.ignore_patterns("__pycache__"),
                dirs_exist_ok=True,
            )


setup(cmdclass={"build_py": BuildWithShipped})
