"""Providers over HTTP, on real sockets: what is sent, what is refused, what every failure becomes."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from guard.domain.catalogue import Provider, Timeouts
from guard.errors import (
    GuardError,
    InvalidRequest,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from guard.upstream import http
from guard.upstream.http import HttpUpstream
from tests.fakes.provider_server import Behaviour, ProviderServer, hang, reply, serving

BODY = b'{"a":1}'
Value = TypeVar("Value")


PATIENCE = Timeouts(connect=2, read=2, total=5)


def provider(
    url: str, *, timeouts: Timeouts = PATIENCE, ca: str | None = None, proxy: str | None = None
) -> Provider:
    """Return a provider with short patience."""
    return Provider(name="p", dialect="openai", base_url=url, timeouts=timeouts, ca=ca, proxy=proxy)


@asynccontextmanager
async def upstream(
    credential: Callable[[Provider, str | None], str | None] = lambda _, own: own,
    resolver: type[AbstractResolver] = aiohttp.DefaultResolver,
) -> AsyncIterator[HttpUpstream]:
    """Return an upstream that is closed at the end."""
    made = HttpUpstream(credential, resolver=resolver)
    try:
        yield made
    finally:
        await made.close()


async def ask(to: Provider, own: str | None = "Bearer sk") -> bytes:
    """Send one body, return the whole answer."""
    async with upstream() as client:
        answer = await client.send(to, path="/chat/completions", body=BODY, caller_authorization=own)
        try:
            return await answer.read()
        finally:
            answer.close()


def run(work: Coroutine[object, object, Value]) -> Value:
    """Run a test's coroutine; whatever hangs fails."""
    return asyncio.run(asyncio.wait_for(work, 20))


async def failure(behaviour: Behaviour, timeouts: Timeouts = PATIENCE) -> GuardError:
    """Return what a call of a provider that behaves so fails with."""
    async with serving(behaviour) as server:
        with pytest.raises(GuardError) as failed:
            await ask(provider(server.url, timeouts=timeouts))
        return failed.value


def test_only_what_the_provider_needs_is_sent() -> None:
    async def scenario() -> ProviderServer:
        async with serving(reply(b"{}")) as server:
            assert await ask(provider(server.url)) == b"{}"
            return server

    (request,) = run(scenario()).requests
    assert request.line == "POST /v1/chat/completions HTTP/1.1"
    assert request.body == BODY
    assert set(request.headers) <= {
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
    }
    assert request.headers["authorization"] == "Bearer sk"
    assert request.headers["accept-encoding"] == "identity"


def test_without_a_credential_nothing_is_authorized() -> None:
    async def scenario() -> ProviderServer:
        async with serving(reply(b"{}")) as server:
            await ask(provider(server.url), own=None)
            return server

    assert "authorization" not in run(scenario()).requests[0].headers


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent", "304 None"])
def test_no_redirect_is_followed(status: str) -> None:
    async def scenario() -> None:
        async with serving(reply(b"{}")) as elsewhere, upstream() as client:
            there = reply(b"", status=status, headers=f"location: {elsewhere.url}\r\n")
            async with serving(there) as server:
                with pytest.raises(UpstreamRejected) as failed:
                    await client.send(provider(server.url), path="/x", body=BODY, caller_authorization=None)
            assert failed.value.status == int(status[:3])
            assert elsewhere.requests == []

    run(scenario())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("retry-after: 7\r\n", 7),
        ("retry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\n", None),
        ("retry-after: 99999\r\n", None),
        ("retry-after: -1\r\n", None),
        ("retry-after: \u00b2\r\n", None),
        ("", None),
    ],
)
def test_an_error_status_keeps_its_number_and_nothing_of_its_text(header: str, seconds: int | None) -> None:
    error = run(failure(reply(b'{"error":"maria"}', status="429 maria", headers=header)))
    assert isinstance(error, UpstreamRejected)
    assert (error.status, error.retry_after) == (429, seconds)
    assert "maria" not in error.message


def test_an_answer_that_is_encoded_is_refused() -> None:
    error = run(failure(reply(b"x", headers="content-encoding: gzip\r\n")))
    assert error.code == "upstream_invalid"


def test_an_answer_that_breaks_off_is_an_error() -> None:
    error = run(failure(reply(b"half", close=True, length=10)))
    assert isinstance(error, UpstreamError) and error.code == "upstream_broken"


def test_a_provider_that_hangs_up_before_it_answers_is_unavailable() -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.close()

    assert isinstance(run(failure(hang_up)), UpstreamUnavailable)


def test_bytes_that_are_no_http_are_an_error() -> None:
    async def babble(writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-maria\r\n\r\n")
        await writer.drain()

    error = run(failure(babble))
    assert isinstance(error, UpstreamError) and "maria" not in error.message


def test_a_provider_that_says_nothing_runs_out_of_time() -> None:
    patience = Timeouts(connect=2, read=0.1, total=5)
    assert isinstance(run(failure(hang, timeouts=patience)), UpstreamTimeout)


def test_a_trickle_does_not_outlast_the_whole_time() -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)  # slower than the socket, faster than the patience between reads

    patience = Timeouts(connect=2, read=2, total=0.3)
    assert isinstance(run(failure(trickle, timeouts=patience)), UpstreamTimeout)


def test_nobody_at_the_address_is_unavailable() -> None:
    async def scenario() -> None:
        async with serving(hang) as server:
            url = server.url
        with pytest.raises(UpstreamUnavailable):
            await ask(provider(url))

    run(scenario())


def test_an_answer_without_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER", 1000)
    assert run(failure(reply(b"x" * 2000))).code == "upstream_invalid"


def test_a_connection_is_used_again() -> None:
    async def scenario() -> ProviderServer:
        async with serving(reply(b"{}")) as server, upstream() as client:
            for _ in range(3):
                answer = await client.send(
                    provider(server.url), path="/x", body=BODY, caller_authorization=None
                )
                assert await answer.read() == b"{}"
            return server

    server = run(scenario())
    assert (len(server.requests), server.connections) == (3, 1)


def test_an_answer_that_is_not_wanted_any_more_closes_the_connection() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await writer.drain()

    async def scenario() -> None:
        async with serving(endless) as server, upstream() as client:
            answer = await client.send(provider(server.url), path="/x", body=BODY, caller_authorization=None)
            assert await anext(answer.chunks()) == b"hi"
            answer.close()
            await server.gone.wait()

    run(scenario())


def test_a_caller_that_leaves_while_the_provider_thinks_closes_the_connection() -> None:
    async def scenario() -> None:
        async with serving(hang) as server, upstream() as client:
            sending = asyncio.ensure_future(
                client.send(provider(server.url), path="/x", body=BODY, caller_authorization=None)
            )
            await server.asked.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await server.gone.wait()

    run(scenario())


LINK_LOCAL = (
    "http://169.254.169.254/v1",
    "http://169.254.0.1:8080/v1",
    "http://169.254.169.254./v1",
    "http://2852039166/v1",
    "http://0xA9FEA9FE/v1",
    "http://0251.0376.0251.0376/v1",
    "http://169.254.43518/v1",
    "http://[fe80::1]/v1",
    "http://[::ffff:169.254.169.254]/v1",
    "http://[2002:a9fe:a9fe::1]/v1",
    "http://[64:ff9b::a9fe:a9fe]/v1",
)


@pytest.mark.parametrize("url", LINK_LOCAL)
def test_link_local_addresses_are_never_called_in_whatever_form(url: str) -> None:
    with pytest.raises(UpstreamUnavailable) as refused:
        run(ask(provider(url)))
    assert refused.value.message == "link-local addresses are never called"


@pytest.mark.parametrize("url", LINK_LOCAL[:3])
def test_nor_is_a_proxy_there(url: str) -> None:
    with pytest.raises(UpstreamUnavailable) as refused:
        run(ask(provider("http://127.0.0.1:9/v1", proxy=url)))
    assert refused.value.message == "link-local addresses are never called"


def leads_to(*addresses: str) -> type[AbstractResolver]:
    """Return a resolver by which every name leads to ``addresses``."""

    class Resolver(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            return [
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    proto=0,
                    flags=0,
                )
                for address in addresses
            ]

        async def close(self) -> None:
            return None

    return Resolver


async def ask_by_name(server: ProviderServer, *addresses: str) -> bytes:
    """Call a name that leads to ``addresses``."""
    async with upstream(resolver=leads_to(*addresses)) as client:
        named = provider(f"http://provider.internal:{server.port}/v1")
        answer = await client.send(named, path="/x", body=BODY, caller_authorization=None)
        return await answer.read()


@pytest.mark.parametrize(
    "addresses",
    [("169.254.169.254",), ("127.0.0.1", "169.254.169.254"), ("fe80::1",), ("::ffff:169.254.169.254",)],
)
def test_a_name_that_leads_to_a_link_local_address_is_not_called(addresses: tuple[str, ...]) -> None:
    async def scenario() -> None:
        async with serving(reply(b"{}")) as server:
            with pytest.raises(UpstreamUnavailable):
                await ask_by_name(server, *addresses)
            assert server.connections == 0

    run(scenario())


def test_a_name_that_leads_elsewhere_is_called() -> None:
    async def scenario() -> bytes:
        async with serving(reply(b"{}")) as server:
            return await ask_by_name(server, "127.0.0.1")

    assert run(scenario()) == b"{}"


def authority(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate for 127.0.0.1; return its file and a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "provider.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = folder / "provider.key"
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return pem, context


def test_a_certificate_counts_only_if_its_authority_is_named(tmp_path: Path) -> None:
    pem, context = authority(tmp_path)

    async def scenario() -> None:
        async with serving(reply(b"{}"), tls=context) as server:
            url = server.url.replace("http:", "https:")
            assert await ask(provider(url, ca=str(pem))) == b"{}"
            with pytest.raises(UpstreamUnavailable):
                await ask(provider(url))
            assert len(server.requests) == 1

    run(scenario())


def test_a_file_of_authorities_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UpstreamUnavailable):
        run(ask(provider("https://127.0.0.1:9/v1", ca=str(tmp_path / "gone.pem"))))


def test_a_proxy_is_asked_in_the_providers_stead() -> None:
    async def scenario() -> ProviderServer:
        async with serving(reply(b"{}")) as proxy:
            far = provider("http://192.0.2.7/v1", proxy=f"http://127.0.0.1:{proxy.port}")
            assert await ask(far) == b"{}"
            return proxy

    (request,) = run(scenario()).requests
    assert request.line == "POST http://192.0.2.7/v1/chat/completions HTTP/1.1"


def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with serving(reply(b"{}")) as server, serving(reply(b"{}")) as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            await ask(provider(server.url))
            assert proxy.connections == 0

    run(scenario())


def test_a_credential_that_is_missing_stops_before_anything_is_sent() -> None:
    def missing(_: Provider, __: str | None) -> str:
        raise InvalidRequest("bring your own", code="caller_authorization_missing")

    async def scenario() -> None:
        async with serving(reply(b"{}")) as server, upstream(missing) as client:
            with pytest.raises(InvalidRequest):
                await client.send(provider(server.url), path="/x", body=BODY, caller_authorization=None)
            assert server.connections == 0

    run(scenario())


def errors_of_the_library() -> list[type[BaseException]]:
    """Return every error that the HTTP library defines."""
    found: list[type[BaseException]] = [
        member
        for _, member in inspect.getmembers(aiohttp.client_exceptions, inspect.isclass)
        if issubclass(member, aiohttp.ClientError)
    ]
    assert len(found) > 15
    return found


@pytest.mark.parametrize("kind", errors_of_the_library(), ids=lambda kind: str(kind.__name__))
def test_every_error_of_the_library_becomes_one_of_ours(kind: type[BaseException]) -> None:
    error = kind.__new__(kind)
    translated = http._translated(error)
    assert isinstance(translated, UpstreamError)
    if issubclass(kind, TimeoutError):
        assert isinstance(translated, UpstreamTimeout | UpstreamUnavailable)
