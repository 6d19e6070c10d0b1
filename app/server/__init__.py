"""The processes of a gateway: listening sockets, signals, drain, workers and their supervisor."""
