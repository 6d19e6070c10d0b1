"""The endpoints: the auth functions, and the second listener."""
