"""Two kinds of import contract that import-linter does not have; pyproject.toml names them.

``only_through``: some modules may be reached by a few doors alone, however long the chain.
``families``: files of a folder whose names share the word before ``_`` belong together
(``openai_chat``, ``openai_stream``); families do not know each other.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import permutations
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

__all__ = ["Families", "OnlyThrough"]


class OnlyThrough(Contract):
    """Where no way leads through the doors, nothing else of the packages reaches the targets.

    Names may be patterns with ``*``. Targets and doors that do not exist yet are no error:
    the rule stands before the code.
    """

    type_name = "only_through"

    targets = fields.ListField(subfield=fields.StringField())
    doors = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Return the chains that go round the doors."""
        targets, doors = cast("list[str]", self.targets), cast("list[str]", self.doors)
        for module in graph.modules:
            if _within(module, doors):
                for imported in graph.find_modules_directly_imported_by(module):
                    graph.remove_import(importer=module, imported=imported)
        chains: list[tuple[str, ...]] = []
        for target in sorted(module for module in graph.modules if _within(module, targets)):
            reached = graph.find_downstream_modules(target, as_package=False)
            for module in sorted(reached):
                if not _within(module, targets + doors):
                    chain = graph.find_shortest_chain(importer=module, imported=target)
                    chains.append(chain or (module, target))
        return ContractCheck(kept=not chains, metadata={"chains": chains})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each chain."""
        for chain in check.metadata["chains"]:
            output.print_error(f"- {' -> '.join(chain)}", bold=False)
        output.new_line()


class Families(Contract):
    """No file of the folder imports a file of another family."""

    type_name = "families"

    folder = fields.StringField()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Return the imports from one family to another."""
        folder = cast("str", self.folder)
        if folder not in graph.modules:
            raise ValueError(f"Module '{folder}' does not exist.")
        strange = [
            (importer, imported)
            for importer, imported in permutations(sorted(graph.find_children(folder)), 2)
            if _family(importer) != _family(imported)
            and graph.direct_import_exists(importer=importer, imported=imported, as_packages=True)
        ]
        return ContractCheck(kept=not strange, metadata={"strange": strange})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each import."""
        for importer, imported in check.metadata["strange"]:
            output.print_error(f"- {importer} -> {imported}", bold=False)
        output.new_line()


def _within(module: str, packages: list[str]) -> bool:
    return any(fnmatchcase(module, package) or fnmatchcase(module, f"{package}.*") for package in packages)


def _family(module: str) -> str:
    return module.rpartition(".")[2].partition("_")[0]
