"""The pure core: bytes and values in, values out. No await, socket, clock, environment or framework."""
