"""Long work: submitted, claimed under a lease, resumed after a crash, cancelled on request."""
