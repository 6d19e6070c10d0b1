"""The pure core: bytes and values in, values out, without await, socket, clock, environment or framework."""
