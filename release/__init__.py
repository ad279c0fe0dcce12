"""What is given to others: the wheel, packages, an image, and what is in them.

Nothing of it is needed to run or to test the recorder. Each module is a command
(``python -m release.wheel``) with a make target of its own.
"""
