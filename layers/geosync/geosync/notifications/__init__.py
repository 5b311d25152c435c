"""Notifications of registries become geo events.

proof/ says who sent one, formats/ has a parser for each format, judge.py decides what becomes of each event, publish.py
writes it. sources.py is the table of who sends what.
"""
