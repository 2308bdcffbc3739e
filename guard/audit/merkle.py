"""Proofs over a whole list of leaf hashes (RFC 6962 §2.1); checking stands in ``verify.py``."""

from __future__ import annotations

from collections.abc import Sequence

from guard.audit.verify import grow, root_of

__all__ = ["consistency_proof", "inclusion_proof", "tree_root"]


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over ``leaves`` (hashes)."""
    frontier: list[bytes] = []
    for index, leaf in enumerate(leaves):
        grow(frontier, index, leaf)
    return root_of(frontier)


def _split(size: int) -> int:
    """Return the largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the audit path of leaf ``index``, nearest sibling first."""
    if not 0 <= index < len(leaves):
        raise ValueError("the index is outside the tree")
    if len(leaves) == 1:
        return []
    at = _split(len(leaves))
    if index < at:
        return [*inclusion_proof(index, leaves[:at]), tree_root(leaves[at:])]
    return [*inclusion_proof(index - at, leaves[at:]), tree_root(leaves[:at])]


def consistency_proof(old: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the proof that the first ``old`` leaves are a prefix of all; there is at least one."""
    if not 0 < old <= len(leaves):
        raise ValueError("the old size is outside the tree")
    return _subproof(old, leaves, whole=True)


def _subproof(old: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [tree_root(leaves)]
    at = _split(len(leaves))
    if old <= at:
        return [*_subproof(old, leaves[:at], whole=whole), tree_root(leaves[at:])]
    return [*_subproof(old - at, leaves[at:], whole=False), tree_root(leaves[:at])]
