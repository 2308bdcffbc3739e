"""Rows of a registered dataset: decrypted and verified shard by shard, in memory only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from guard.datasets.shards import KeyWrapper, read_shard
from guard.datasets.values import Value
from guard.domain.dataset import Column, Dataset
from guard.errors import DecryptionFailed

__all__ = ["RowReader", "ShardReader"]


class RowReader(Protocol):
    """What training reads from."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, in order."""
        ...

    def rows(self) -> Iterator[Mapping[str, Value]]:
        """Yield every row, in an order that stays the same."""
        ...


class ShardReader:
    """Implements ``RowReader`` on a registered dataset. ``folder``: where its shards lie."""

    def __init__(self, dataset: Dataset, *, folder: Path, keys: KeyWrapper) -> None:
        self._dataset = dataset
        self._folder = folder
        self._keys = keys

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, in order."""
        return self._dataset.columns

    def rows(self) -> Iterator[Mapping[str, Value]]:
        """Yield every row.

        Raises ``NotFound``, ``DecryptionFailed`` and ``KeyUnavailable``; a shard more or less
        is found before the first row.
        """
        if sum(shard.rows for shard in self._dataset.shards) != self._dataset.rows:
            raise DecryptionFailed
        for shard in self._dataset.shards:
            yield from read_shard(
                self._folder,
                shard,
                self._dataset.columns,
                keys=self._keys,
                tenant=self._dataset.tenant,
                dataset=self._dataset.id,
            )
