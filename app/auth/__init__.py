"""The auth functions: called as PostgREST would call them, answered as it would answer."""
