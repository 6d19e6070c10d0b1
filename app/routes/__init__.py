"""The endpoints of the app lane (auth functions) and of the admin listener."""
