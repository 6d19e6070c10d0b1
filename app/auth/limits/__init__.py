"""How often passwords may be tried and auth functions be called: per address, account, pair and session.

`guard` is what callers use. It counts a call before it is made (`budgets`), by keys that tell nothing
(`keys`), in this process (`counters`) or in a store that several share (`stores`); it lets a few passwords be
checked at once (`checks`), and has refused sign-ins written down (`notes`).
"""
