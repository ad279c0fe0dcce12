"""Clients of others, each in an environment of its own, listening to what we serve.

`make clients` makes the environments and runs `tests/test_clients.py` with them. The programs
here are run there: they import nothing of ours.
"""
