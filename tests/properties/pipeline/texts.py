"""Texts with values in them, as people and models write them."""

from __future__ import annotations

from hypothesis import strategies as st

__all__ = ["CARDS", "CONTACTS", "SECRETS", "VALUES", "fillers", "pieces", "texts"]

CONTACTS = ("maria.gomez@kestrel-labs.com", "jose@nordwind-bank.de", "+49 30 901820", "+1 415 555 2671")
CARDS = ("5425 2334 3010 9903", "5425233430109903")
SECRETS = ("AKIAZ3MHQWERTYUI2345", "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8")
VALUES = (*CONTACTS, *CARDS, "DE89370400440532013000", *SECRETS)
fillers = st.sampled_from(
    [
        " ",
        "\n",
        ", ",
        ". ",
        "! ",
        "meet in Paris on Friday ",
        "é🙂 ",
        "中文，",
        "الرئيس ",
        "a\u0301 ",
        '"quoted" ',
        "\\u00e9 \\n ",
        "it's 5 < 7 & so on ",
        "1,000.50 ",
        "(",
        ") ",
        "user ",
        "\u200bzero\u200b ",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 ",
    ]
)


def pieces(*values: str) -> st.SearchStrategy[str]:
    """Return fillers and values, each value between borders of its own."""
    return fillers | st.sampled_from(values).map(lambda value: f" {value}; ")


def texts(*values: str, most: int = 8) -> st.SearchStrategy[str]:
    """Return texts of pieces."""
    return st.lists(pieces(*(values or VALUES)), min_size=1, max_size=most).map("".join)
