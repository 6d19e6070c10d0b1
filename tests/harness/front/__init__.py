"""What stands in front of a gateway in these tests, and the service behind it."""
