"""Errors of AWS as an operator reads them, and its regions."""
