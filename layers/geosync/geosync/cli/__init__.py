"""The command `geosync`: what an operator sees and does, by a stack's name. A module per group of commands."""
