"""Makes ``docs/reference`` from the code: every command, setting, error, record, type, operator.

What the code knows is read from it; what only people know stands here in words, and a name
without words is an error that says which file wants them. A test fails while a page is
stale; ``python -m docs.generator`` renews all of them.
"""
