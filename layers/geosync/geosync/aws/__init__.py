"""Answers of AWS as an operator reads them."""
