"""The port to providers: send a protected body, get an answer that is not trusted yet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from guard.domain.catalogue import Provider

__all__ = ["Upstream", "UpstreamAnswer"]


class UpstreamAnswer(Protocol):
    """A successful answer whose body has not been read."""

    async def read(self) -> bytes:
        """Return the whole body. Raises ``UpstreamError``."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. Raises ``UpstreamError`` if it breaks off."""
        ...

    def close(self) -> None:
        """Close the connection, whatever is still under way."""
        ...


class Upstream(Protocol):
    """Sends to providers."""

    async def send(
        self, provider: Provider, *, path: str, body: bytes, caller_authorization: str | None
    ) -> UpstreamAnswer:
        """Send and wait for the answer's head.

        Raises ``UpstreamUnavailable`` if no connection came about, ``UpstreamTimeout``,
        ``UpstreamRejected`` for any status but 200, and ``InvalidRequest`` if the caller
        had to bring a credential and did not.
        """
        ...
