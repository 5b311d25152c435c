"""The work of functions/sync: a wake, a comparison or a verification that a message asks for, and what is due next.

Worker reads a message and works off the repository that it wakes. Readiness says whether work may begin at all.
"""
