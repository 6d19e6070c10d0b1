"""How properties are tried here: enough examples to find what matters, no clock, nothing written to disk."""

from hypothesis import HealthCheck, settings

tried = settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
