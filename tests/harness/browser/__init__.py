"""Tools of the browser tests: the web they happen on, and somebody's browser in it."""
