"""Harness that folders of tests share."""
