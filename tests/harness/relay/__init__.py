"""Both ends of the wire in one hand: a raw client, a recording upstream, and a real gateway between them.

A test holds the client's socket and the upstream's, so it says in plain order who sends what and who sees it.
Nothing here is taken from app/: the bytes are judged by other eyes than those that wrote them.
"""
