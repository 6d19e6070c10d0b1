"""Rate limits on password attempts and calls of auth functions: by address, account, pair and session.

Callers use `guard`. It counts each call before it is made (`budgets`), under keyed digests (`keys`), in this
process (`counters`) or in a store shared by several (`stores`). It bounds the password checks in flight
(`checks`), and records failures for the audit table (`records`, `queued_failures`).
"""
