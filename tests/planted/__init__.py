"""Bugs planted on purpose, to prove that the harnesses notice.

    plants (each breaks the product in a child process) ─▶ hunts (each harness, with a budget)

``python -m tests.planted`` prints which harness catches which bug after how many tries, and exits
1 if one survives. No file of the product is touched.
"""
