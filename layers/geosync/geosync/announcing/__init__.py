"""Announcements, to subscribers, of what arrived at this site and what failed.

The events are kept in the sync registry's outbox by the transaction that they come from (sync_registry/site/outbox.py).
`document.py` is their form, `announcer.py` hands them to EventBridge and SNS and forgets what both have taken.
"""
