"""What the operating system gives a process: listeners, signals, limits, orphaned children."""
