"""Every command with its options, as the command line itself tells them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from docs.generator.markdown import page, table
from guard.cli.main import app

__all__ = ["commands", "render"]

EXIT = "Exit codes: 0 fine, 1 found something wrong, 2 used wrongly. Each command has `--help`."


def commands() -> dict[str, TyperCommand]:
    """Return every command that is not internal by its words (``keys issue``)."""
    return dict(_below(typer.main.get_command(app), ()))


def _below(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from _below(below, (*path, name))
    elif isinstance(command, TyperCommand) and not command.hidden:
        yield " ".join(path), command


def _section(name: str, command: TyperCommand) -> str:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = [parameter for parameter in shown if isinstance(parameter, TyperArgument)]
    options = [parameter for parameter in shown if isinstance(parameter, TyperOption)]
    usage = " ".join(
        ["guard", name, *(_argument(one) for one in arguments), *(["[OPTIONS]"] if options else [])]
    )
    rows = [(f"`{_argument(one)}`", one.help or "") for one in arguments]
    rows += [(f"`{', '.join((*one.opts, *one.secondary_opts))}`", _help(one)) for one in options]
    text = inspect.cleandoc(command.help or "")
    return f"## guard {name}\n\n{text}\n\n```console\n{usage}\n```" + (
        f"\n\n{table(('', ''), rows)}" if rows else ""
    )


def _argument(argument: TyperArgument) -> str:
    name = argument.metavar or (argument.name or "").upper()
    return name if argument.required else f"[{name}]"


def _help(option: TyperOption) -> str:
    text = option.help or ""
    if option.required:
        return f"{text} (required)"
    if option.default is None or isinstance(option.default, bool) or callable(option.default):
        return text
    return f"{text} (default: {getattr(option.default, 'value', option.default)})"


def render() -> str:
    """Return the page."""
    return page("Commands", EXIT, *(_section(name, command) for name, command in sorted(commands().items())))
