"""Texts that press on screening: values, pieces of values, borders, escapes, words of context."""

from __future__ import annotations

from hypothesis import strategies as st

__all__ = ["PIECES", "VALUES", "cuts", "texts"]

VALUES = (
    *(
        "ann.lee@acme.io",
        "ü.ö@müller.de",
        "+1 415 555 2671",
        "(415) 555-2671",
        "415 555 2671x9",
        "+49 30 901820",
    ),
    *("4539 1488 0343 6467", "4539148803436467", "DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819"),
    *("10.1.2.3", "93.184.216.34", "2001:db8::1", "3c:22:fb:9a:10:7e", "0012.3456.789a"),
    *(
        "11010519491231002X",
        "110105 19491231 002X",
        "219-09-9998",
        "ssn 219 09 9998",
        "13912345678",
        "139 1234 5678",
    ),
    *(
        "https://user:pa55@acme.io/x",
        "AKIAQ3EGTZ5RXW7HN2LB",
        "sk-aZ3kQ9xW2mB7nR5tY8uP1sD4",
        "ghp_" + "aZ3kQ9xW2m" * 4,
    ),
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF123",
    "-----BEGIN PRIVATE KEY-----\nMIIEabcdefghijklmnopqrstuvwx\n-----END PRIVATE KEY-----",
    "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSUV",
    *("password: Xk9z!2mm", 'token="abc123def456"', "Bearer aZ3kQ9xW2mB7nR5t", "密码：Tr0ub4dor3"),
    *("EMLX0123456789AB@guard.invalid", "phnx0123456789ab"),
)
PIECES = (
    *(
        "@",
        ".",
        " ",
        "\n",
        "-",
        "_",
        "(",
        ")",
        ":",
        "//",
        "/",
        "+",
        "0",
        "00",
        "7",
        "x",
        "X",
        "a",
        '"',
        "'",
        "`",
    ),
    *(
        ",",
        "。",
        "，",
        "é",
        "中",
        "１",
        "－",
        "\u200b",
        "\u200b" * 70,
        "\u00a0",
        "\\",
        "\\n",
        "=",
        "\U0001f600",
    ),
    *(
        "eyJ",
        "-----BEGIN ",
        "-----END PRIVATE KEY-----",
        "LS0tLS1CRUdJTi",
        "DE89 ",
        "4242 ",
        "a@b.c",
        "86-",
        "1 ",
    ),
    *(
        "phone ",
        "Tel. ",
        "call ",
        "电话",
        "ssn ",
        "card ",
        "secret ",
        "key=",
        "api_key: ",
        " is ",
        "version ",
        "::",
    ),
    *("a1B2c3D4e5F6g7H8", "EMLX0123456789", "@guard.invalid", "lorem ipsum "),
)

texts = st.lists(st.sampled_from(VALUES) | st.sampled_from(PIECES), max_size=9).map("".join)


def cuts(text: str) -> st.SearchStrategy[list[str]]:
    """Draw ways of cutting a text into pieces."""
    places = st.lists(st.integers(0, len(text)), max_size=8).map(sorted)
    return places.map(
        lambda at: [text[low:high] for low, high in zip([0, *at], [*at, len(text)], strict=True)]
    )
