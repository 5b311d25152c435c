"""Announcements, to subscribers, of what arrived at this site and what failed.

The transaction that causes an event writes it to the sync registry's outbox (sync_registry/site/outbox.py).
`document.py` is its form, `announcer.py` sends it to EventBridge and SNS and deletes it once both have taken it.
"""
