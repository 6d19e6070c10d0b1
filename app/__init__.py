"""Postgate: the auth gateway for PostgREST."""
