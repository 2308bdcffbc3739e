"""An observer that keeps what it hears."""

from __future__ import annotations

from guard.pipeline.observer import Summary

__all__ = ["KeptObservations"]


class KeptObservations:
    """Implements ``pipeline.observer.Observer``."""

    def __init__(self) -> None:
        self.summaries: list[Summary] = []
        self.faults: list[tuple[str, BaseException]] = []

    def exchange_ended(self, summary: Summary) -> None:
        """Keep a summary."""
        self.summaries.append(summary)

    def failed(self, task: str, error: BaseException) -> None:
        """Keep a fault."""
        self.faults.append((task, error))
