"""One relayed request and its response, a tunnel, and the responses that the gateway gives itself."""
