"""Mails: the outbox, what a mail says, and the SMTP server that takes it."""
