"""The local stack: real registries, a token service and an AWS emulator on this machine, for tests, demo and bench."""
