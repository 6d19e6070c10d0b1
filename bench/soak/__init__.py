"""A soak: the gateway under full load and random faults, every answer checked against a nonce.

`python -m bench.soak --minutes 10` ends with status 0 if memory stayed flat, nothing leaked and no answer was
wrong. Everything listens on loopback.
"""
