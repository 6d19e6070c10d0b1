"""Tools of the system tests: real processes, real clients."""
