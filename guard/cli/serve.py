"""``guard serve``: the gateway, its workers and the demo model, as one thing that runs.

The parent prepares the data directory, binds the port and supervises; it serves nothing
itself. Children inherit the listening socket and die with the parent.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from guard.cli.processes import Child, Supervisor, die_with_parent
from guard.errors import ConfigurationError
from guard.settings import Settings

__all__ = ["demo_model", "serve", "serve_worker"]

BACKLOG = 2048
MAX_WORKERS = 4


def serve(
    config: Annotated[Path | None, typer.Option(help="guard.yaml; default: in the data directory")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept [./guard-data]")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one [8080]")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes [one a core, at most 4]")] = None,
) -> None:
    """Make what is missing and serve until Ctrl-C."""
    from guard.cli.init import prepare

    settings = _settings(config, data_dir, host, port, workers)
    listener = _listen(settings.host, settings.port)
    prepared = prepare(settings.data_dir)
    configuration = load_configuration(settings.config_path)
    count = settings.workers or min(os.cpu_count() or 1, MAX_WORKERS)
    os.environ["GUARD_WORKERS"] = str(count)
    supervisor = Supervisor()
    demo = None
    if uses_demo(configuration):
        demo = _listen("127.0.0.1", settings.demo_port)
        os.environ["GUARD_DEMO_PORT"] = str(demo.getsockname()[1])
        supervisor.start(_child("demo-model", demo))
    _share_metrics(settings.data_dir / "metrics")
    for number in range(count):
        supervisor.start(_child("serve-worker", listener, number))
    _welcome(settings, listener.getsockname()[1], demo, prepared)
    code = supervisor.run()
    sys.stderr.write(
        "guard: a worker cannot stay up; see the lines above, then run: guard doctor\n"
        if code
        else "guard: stopped\n"
    )
    raise typer.Exit(code)


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


def serve_worker(
    descriptor: Annotated[int, typer.Option(help="Inherited listening socket")],
    parent: Annotated[int, typer.Option(help="Process id of the supervisor")],
) -> None:
    """Serve as one worker of a supervisor (internal)."""
    die_with_parent(parent)
    import uvicorn

    from guard.app import create

    _run(uvicorn.Config(create(Settings()), fd=descriptor, **OPTIONS))  # type: ignore[arg-type]


def demo_model(
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8081,
    descriptor: Annotated[int | None, typer.Option(hidden=True)] = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the built-in demo provider: OpenAI's wire format, answers made of what it got."""
    if parent is not None:
        die_with_parent(parent)
    import uvicorn

    from guard.upstream.demo_app import make_app

    if descriptor is None:
        sys.stderr.write(f"demo model on http://127.0.0.1:{port}\n")
    _run(uvicorn.Config(make_app(), host="127.0.0.1", port=port, fd=descriptor, **OPTIONS))  # type: ignore[arg-type]


def _run(config: object) -> None:
    import uvicorn

    if isinstance(config, uvicorn.Config):
        uvicorn.Server(config).run()


def _settings(
    config: Path | None, data_dir: Path | None, host: str | None, port: int | None, workers: int | None
) -> Settings:
    """Options win over the environment; children read the environment alone."""
    given = {"config": config, "data_dir": data_dir, "host": host, "port": port, "workers": workers}
    for name, value in given.items():
        if value is not None:
            os.environ[f"GUARD_{name.upper()}"] = str(value)
    return Settings()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error.strerror}); try: guard serve --port {port + 1}, "
            f"or with make: GUARD_PORT={port + 1} make run"
        ) from None
    listener.listen(BACKLOG)
    listener.set_inheritable(True)
    return listener
