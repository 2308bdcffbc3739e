"""Private training: from one frozen plan follow sampler, clipping, noise, ledger event and certificate.

``trainer`` is the only room that knows torch; ``plan``, ``checks``, ``certificate`` and
``verify`` run without it, so that a certificate is verified on a bare machine.
"""
