"""``guard serve``: the gateway, its workers and the demo model, as one thing that runs.

The parent prepares the data directory, binds the port and supervises; it serves nothing
itself. Children inherit the listening socket and die with the parent.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.options import DataDir, choose
from guard.cli.processes import Child, Supervisor, die_with_parent
from guard.cli.running import Running, announce, claim, running
from guard.errors import ConfigurationError
from guard.settings import Settings

if TYPE_CHECKING:
    from guard.gateway.asgi import ASGIApp

__all__ = ["demo_model", "model_server", "serve", "serve_on", "serve_worker"]

BACKLOG = 2048
MAX_WORKERS = 4
DRAIN_SECONDS = 10
KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep idle connections, so that it is they who close them."""


def serve(
    config: Annotated[Path | None, typer.Option(help="guard.yaml; default: in the data directory")] = None,
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one [8080]")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes [one a core, at most 4]")] = None,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Run training jobs too, if the extra train is there")
    ] = True,
) -> None:
    """Make what is missing and serve until Ctrl-C.

    Example: guard serve --port 9000 --workers 2
    """
    from guard.cli.init import prepare
    from guard.cli.welcome import welcome
    from guard.registry.configuration import uses
    from guard.registry.providers import DEMO, MODELS

    settings = choose(config=config, data_dir=data_dir, host=host, port=port, workers=workers)
    listener = _listen(settings.host, settings.port, _remedy(settings))
    prepared = prepare(settings.data_dir, settings.config_path)
    _need_valid(prepared.policies)
    with claim(settings.data_dir) as claimed:
        supervisor = Supervisor()
        demo = _demo(supervisor, settings) if uses(prepared.configuration, DEMO) else None
        if uses(prepared.configuration, MODELS) and find_spec("onnxruntime"):
            _models(supervisor, settings)
        if worker and find_spec("opacus"):
            # Heavy libraries are loaded by the first job, not by the start.
            supervisor.start(Child(name="worker", arguments=("worker", "--parent", str(os.getpid()))))
        count = _workers(supervisor, settings, listener)
        address = _address(settings, listener.getsockname()[1])
        announce(claimed, Running(address=address, demo=demo, pid=os.getpid()))
        welcome(prepared, address=address, demo=demo, workers=count, data_dir=settings.data_dir)
        code = supervisor.run()
    sys.stderr.write(
        "guard: a worker cannot stay up; see the lines above, then run: guard doctor\n"
        if code
        else "guard: stopped\n"
    )
    raise typer.Exit(code)


def _need_valid(policies: Path) -> None:
    """Say once what is wrong with the policies, rather than by every worker that cannot start."""
    from guard.policy.check import load_pack
    from guard.storage.truth import read_pack

    try:
        load_pack(read_pack(policies))
    except ConfigurationError as error:
        raise ConfigurationError(f"{policies}: {error.message}") from None


def _demo(supervisor: Supervisor, settings: Settings) -> str:
    """Start the demo model; the workers learn its port from the environment."""
    listener = _listen("127.0.0.1", settings.demo_port, "choose another GUARD_DEMO_PORT, or 0 for a free one")
    port = listener.getsockname()[1]
    os.environ["GUARD_DEMO_PORT"] = str(port)
    supervisor.start(_child("demo-model", listener))
    return f"http://127.0.0.1:{port}"


def _models(supervisor: Supervisor, settings: Settings) -> None:
    """Start the model server; the workers learn its port from the environment."""
    listener = _listen("127.0.0.1", settings.models_port, "choose another GUARD_MODELS_PORT, or 0")
    os.environ["GUARD_MODELS_PORT"] = str(listener.getsockname()[1])
    supervisor.start(_child("model-server", listener))


def _workers(supervisor: Supervisor, settings: Settings, listener: socket.socket) -> int:
    count = settings.workers or min(os.cpu_count() or 1, MAX_WORKERS)
    os.environ["GUARD_WORKERS"] = str(count)
    _share_metrics(settings.data_dir / "metrics")
    for number in range(count):
        supervisor.start(_child("serve-worker", listener, number))
    return count


def _child(command: str, listener: socket.socket, number: int = 0) -> Child:
    return Child(
        name=f"{command}-{number}",
        arguments=(command, "--descriptor", str(listener.fileno()), "--parent", str(os.getpid())),
        descriptors=(listener.fileno(),),
    )


def _share_metrics(folder: Path) -> None:
    """Give the workers an empty folder through which they sum their metrics."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def _address(settings: Settings, port: int) -> str:
    # An address that listens everywhere is no address to call.
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 (compared, not bound)
    return f"http://[{host}]:{port}" if ":" in host and not host.startswith("[") else f"http://{host}:{port}"


def serve_worker(
    descriptor: Annotated[int, typer.Option(help="Inherited listening socket")],
    parent: Annotated[int, typer.Option(help="Process id of the supervisor")],
) -> None:
    """Serve as one worker of a supervisor (internal)."""
    die_with_parent(parent)
    from guard.app import create
    from guard.telemetry import configure_logging

    settings = choose()
    configure_logging(level=settings.log_level)
    serve_on(create(settings), socket.socket(fileno=descriptor))


def demo_model(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one")] = 8081,
    descriptor: Annotated[int | None, typer.Option(hidden=True)] = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the built-in demo provider: OpenAI's wire format, answers made of what it got.

    Example: guard demo-model --port 8081
    """
    if parent is not None:
        die_with_parent(parent)
    from guard.upstream.demo_app import make_app

    if descriptor is None:
        listener = _listen("127.0.0.1", port, f"try: guard demo-model --port {port + 1}")
        sys.stderr.write(f"demo model on http://127.0.0.1:{listener.getsockname()[1]}\n")
    else:
        listener = socket.socket(fileno=descriptor)
    serve_on(make_app(), listener)


def model_server(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one")] = 8082,
    data_dir: DataDir = None,
    descriptor: Annotated[int | None, typer.Option(hidden=True)] = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve the models in production by the open inference protocol v2, on 127.0.0.1.

    The gateway is its only caller: keys, policy and records are there.

    Example: guard model-server --port 8082
    """
    if parent is not None:
        die_with_parent(parent)
    from guard.telemetry import configure_logging
    from guard.wiring import build_model_server

    settings = choose(data_dir=data_dir)
    configure_logging(level=settings.log_level)
    listener = (
        _listen("127.0.0.1", port, f"try: guard model-server --port {port + 1}")
        if descriptor is None
        else socket.socket(fileno=descriptor)
    )
    serve_on(build_model_server(settings), listener)


def serve_on(app: ASGIApp, listener: socket.socket) -> None:
    """Serve on an open socket until a signal, then let running requests end."""
    import uvicorn

    uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            server_header=False,
            date_header=False,
            # The peer's own address counts: a header that names another could be anybody's.
            proxy_headers=False,
            log_config=None,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    ).run(sockets=[listener])


def _listen(host: str, port: int, remedy: str) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port} ({error.strerror}); {remedy}") from None
    listener.listen(BACKLOG)
    listener.set_inheritable(True)
    return listener


def _remedy(settings: Settings) -> str:
    """Return what to do if the port is taken, by ourselves or by another."""
    own = running(settings.data_dir)
    if own is not None and own.address == _address(settings, settings.port):
        return f"Guard runs there already, as process {own.pid}"
    return other_port(settings.port)


def other_port(port: int) -> str:
    """Return how to take another port than ``port``."""
    other = port + 1 if port < 65535 else 8080  # noqa: PLR2004 (the last port)
    return f"try: guard serve --port {other}, or with make: GUARD_PORT={other} make run"
