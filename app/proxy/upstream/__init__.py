"""The connections to one upstream: their pool, its queue and slots, and what a response may take."""
