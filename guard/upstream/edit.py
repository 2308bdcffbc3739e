"""Write changed texts back into a parsed body without touching the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from guard.domain.exchange import Encoding, Part
from guard.errors import ProtectionFailed
from guard.upstream.json_text import Json, JsonObject
from guard.upstream.positions import Path

__all__ = ["edited"]

Container = dict[str, Json] | list[Json]


class _Copy:
    """Copies containers along the paths that change, once each."""

    def __init__(self, root: JsonObject) -> None:
        self.root: JsonObject = dict(root)
        self._copied: dict[Path, Container] = {(): self.root}

    def container(self, path: Path) -> Container:
        known = self._copied.get(path)
        if known is not None:
            return known
        parent = self.container(path[:-1])
        member = parent[path[-1]]  # type: ignore[index]
        copy: Container = dict(member) if isinstance(member, dict) else list(member)  # type: ignore[arg-type]
        parent[path[-1]] = copy  # type: ignore[index]
        self._copied[path] = copy
        return copy


def edited(
    root: JsonObject, parts: Sequence[Part], paths: Sequence[Path], texts: Mapping[int, str]
) -> JsonObject:
    """Return ``root`` with the parts ``texts`` replaced; unchanged members are shared.

    A replaced number becomes a string. Keys are renamed last, deepest first, in their
    place. Raises ``ProtectionFailed`` if two keys of one object would become one.
    """
    copy = _Copy(root)
    keys: list[int] = []
    for index, text in texts.items():
        if parts[index].encoding is Encoding.KEY:
            keys.append(index)
        else:
            path = paths[index]
            copy.container(path[:-1])[path[-1]] = text  # type: ignore[index]
    for index in sorted(keys, key=lambda index: -len(paths[index])):
        path = paths[index]
        container = copy.container(path[:-1])
        if not isinstance(container, dict):
            raise RuntimeError("a key stands in an object")
        _rename(container, str(path[-1]), texts[index], parts[index].position)
    return copy.root


def _rename(container: dict[str, Json], old: str, new: str, position: str) -> None:
    if new in container and new != old:
        raise ProtectionFailed("two keys of one object would become the same", position=position)
    members = list(container.items())
    container.clear()
    container.update((new if key == old else key, value) for key, value in members)
