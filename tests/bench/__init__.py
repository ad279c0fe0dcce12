"""Figures of speed and size, measured and printed beside the design's; nothing is asserted.

``python -m tests.bench`` takes about two minutes, ``--quick`` less than half of one and says less.
What is compared is measured in one run, taking turns, and the medians are compared: the machine is
shared, so ratios mean more than times.
"""
