"""The proxy lane: connections, exchanges and their deadlines, at protocol level."""
