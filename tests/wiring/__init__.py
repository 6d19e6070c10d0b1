"""How the composition root builds a gateway from settings."""
