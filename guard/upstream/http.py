"""Providers over HTTP: one pooled client a provider and worker (aiohttp).

Redirects are not followed, answers are not decompressed behind our back, link-local
addresses (cloud metadata) are refused at connect time, and every failure of the library
becomes one of ours. Nothing of the provider's error text is passed on, but for words of a closed list.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from guard.domain.catalogue import Provider
from guard.errors import UpstreamError, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from guard.upstream.reasons import told

__all__ = ["HttpUpstream"]

POOL = 256
MAX_ANSWER = 32 * 2**20
READ_CHUNK = 65_536
Credential = Callable[[Provider, str | None], str | None]


NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _forbidden(address: str) -> bool:
    """Whether an address is link-local, or an IPv6 form of one that is."""
    known = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(known, ipaddress.IPv6Address):
        inner = known.ipv4_mapped or known.sixtofour
        if inner is None and known in NAT64:
            inner = ipaddress.IPv4Address(known.packed[-4:])
        if inner is not None:
            return inner.is_link_local
    return known.is_link_local


def _written_address(host: str) -> str | None:
    """Return the address that a host is, in any form that a resolver takes, or ``None`` for a name."""
    if ":" in host:
        return host
    try:
        # Also 2852039166, 0xA9FEA9FE and 0251.0376.0251.0376.
        return socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None


class _Resolver(AbstractResolver):
    """Resolves names, but never to a link-local address."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if any(_forbidden(result["host"]) for result in found):
            raise OSError("the provider's name leads to a link-local address")
        return found

    async def close(self) -> None:
        await self._inner.close()


class _HttpAnswer:
    """Implements ``provider.UpstreamAnswer``."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def read(self) -> bytes:
        """Return the whole body. Raises ``UpstreamError``."""
        body = b"".join([chunk async for chunk in self._limited()])
        self._response.release()
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _translated(error) from None

    async def _limited(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > MAX_ANSWER:
                self.close()
                raise UpstreamError(f"the answer is larger than {MAX_ANSWER} bytes", code="upstream_invalid")
            yield chunk

    def close(self) -> None:
        """Close the connection."""
        self._response.close()


class HttpUpstream:
    """Implements ``provider.Upstream``. ``credential`` gives the authorization header's value.

    ``resolver`` makes what turns names into addresses.
    """

    def __init__(
        self, credential: Credential, *, resolver: Callable[[], AbstractResolver] = DefaultResolver
    ) -> None:
        self._credential = credential
        self._resolver = resolver
        self._sessions: dict[Provider, aiohttp.ClientSession] = {}

    async def send(
        self, provider: Provider, *, path: str, body: bytes, caller_authorization: str | None
    ) -> _HttpAnswer:
        """Send and wait for the answer's head."""
        url = URL(provider.base_url.rstrip("/") + path)
        for address in (url, URL(provider.proxy or "")):
            self._refuse_literal(address)
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        authorization = self._credential(provider, caller_authorization)
        if authorization:
            headers["authorization"] = authorization
        try:
            response = await self._session(provider).post(
                url, data=body, headers=headers, allow_redirects=False, proxy=provider.proxy
            )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise _translated(error) from None
        if response.status != 200:  # noqa: PLR2004 (anything else is no answer)
            retry_after = response.headers.get("retry-after", "")
            status = response.status
            response.close()
            reason, place = told(response.headers)
            raise UpstreamRejected(
                f"the provider {provider.name} answered with status {status}" + (reason and f": {reason}"),
                status=status,
                retry_after=_seconds(retry_after),
                position=place,
            )
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            response.close()
            raise UpstreamError("the provider's answer is encoded against our wish", code="upstream_invalid")
        return _HttpAnswer(response)

    @staticmethod
    def _refuse_literal(url: URL) -> None:
        address = _written_address(url.host or "")
        if address and _forbidden(address):
            raise UpstreamUnavailable("link-local addresses are never called")

    def _session(self, provider: Provider) -> aiohttp.ClientSession:
        session = self._sessions.get(provider)
        if session is None:
            timeouts = provider.timeouts
            context: ssl.SSLContext | bool = True
            if provider.ca:
                context = ssl.create_default_context(cafile=provider.ca)
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=POOL, ssl=context, resolver=_Resolver(self._resolver())),
                timeout=aiohttp.ClientTimeout(
                    total=timeouts.total, connect=timeouts.connect, sock_read=timeouts.read
                ),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                skip_auto_headers=("User-Agent",),
            )
            self._sessions[provider] = session
        return session

    async def close(self) -> None:
        """Close every connection."""
        sessions, self._sessions = self._sessions, {}
        await asyncio.gather(*(session.close() for session in sessions.values()))


def _seconds(retry_after: str) -> int | None:
    """Return the seconds of a header, if it has so many and they are under three hours."""
    return int(retry_after) if re.fullmatch(r"[0-9]{1,4}", retry_after) else None


def _translated(error: BaseException) -> UpstreamError:
    """Return our error for one of the library's; a test walks the library's whole tree."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return UpstreamUnavailable("no connection to the provider in time")
    if isinstance(error, TimeoutError | aiohttp.ServerTimeoutError):
        return UpstreamTimeout("the provider did not answer in time")
    if isinstance(error, aiohttp.ClientConnectorError):
        return UpstreamUnavailable("no connection to the provider")
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientResponseError):
        return UpstreamError("the provider's answer broke off", code="upstream_broken")
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        return UpstreamUnavailable("the connection to the provider broke")
    if isinstance(error, OSError):
        return UpstreamUnavailable("the provider cannot be reached")
    return UpstreamError("the exchange with the provider failed")
