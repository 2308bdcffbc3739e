"""What ``guard serve`` prints when it is up: enough to make the first call by pasting."""

from __future__ import annotations

import os
from pathlib import Path

from guard.cli.init import Prepared
from guard.cli.options import write_line
from guard.domain.catalogue import Catalogue

__all__ = ["welcome"]

TEXT = "Write to anna.berg@nordwind.internal, card 4556 7375 8689 9855. We meet in Paris on Friday."

SNIPPETS = """\
Python (pip install openai):

    from openai import OpenAI

    client = OpenAI(base_url="{address}/v1", api_key="{key}")
    answer = client.chat.completions.create(
        model="{model}",
        messages=[{{"role": "user", "content": "{text}"}}],
    )
    print(answer.choices[0].message.content)

Shell:

    curl -s {address}/v1/chat/completions \\
      -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\
      -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "{text}"}}]}}'
"""


def welcome(prepared: Prepared, *, address: str, demo: str | None, workers: int, data_dir: Path) -> None:
    """Print where Guard is, the key if it is new, and what to try."""
    catalogue = prepared.configuration.catalogue
    many = "1 worker" if workers == 1 else f"{workers} workers"
    write_line(f"Guard is at {address} ({many})")
    write_line()
    if prepared.key:
        write_line(f"  key         {prepared.key}   (shown this once)")
    else:
        write_line("  key         yours from before; a new one: guard keys issue --application default")
    write_line(f"  data        {data_dir}")
    write_line(f"  policies    {prepared.policies}   (edit; they count within a second)")
    if demo:
        write_line(f"  demo model  {demo}   (shows what it received)")
    if prepared.configuration.enforcement == "report":
        last = prepared.configuration.enforcement_until
        write_line(f"  REPORT ONLY until {last}: nothing is changed or blocked, only recorded")
    unused = os.environ.get("OPENAI_API_KEY") and not any(
        provider.credential == "env:OPENAI_API_KEY" for provider in catalogue.providers.values()
    )
    if unused:
        write_line("  OPENAI_API_KEY is set but not used; to use it: guard init --provider openai")
    write_line()
    model = _model(catalogue, demo)
    if model:
        key = prepared.key or "YOUR-KEY"
        write_line(SNIPPETS.format(address=address, key=key, model=model, text=TEXT))
    write_line("Next, in a second terminal: make demo          Stop: Ctrl-C")
    # Whoever reads this through a pipe waits for it.
    import sys

    sys.stdout.flush()


def _model(catalogue: Catalogue, demo: str | None) -> str | None:
    """Return a model to ask for in the snippets."""
    if demo:
        return "demo-echo"
    return catalogue.models[0].name if catalogue.models else None
