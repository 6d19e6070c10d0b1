"""Auth functions: calls and responses as PostgREST makes them."""
