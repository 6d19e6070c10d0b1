"""`python -m app` is `postgate`."""

from app.cli import main

main()
