"""Mailboxes, router, scheduler, requests, supervision. Knows nothing of editors, models or what a tool is."""
