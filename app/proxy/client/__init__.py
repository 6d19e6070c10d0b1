"""One client connection: which lane each request takes, sizes, deadlines, and how the connection ends."""
