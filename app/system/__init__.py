"""Services of the operating system: listeners, signals, limits, orphaned children."""
