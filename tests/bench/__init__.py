"""Figures of speed and size, measured and printed beside the design's; nothing is asserted.

``python -m tests.bench`` takes about three minutes, ``--quick`` one and says less; ``--only store``
is what it costs to keep the data.
What is compared is measured in one run, taking turns, and the medians are compared: the machine is
shared, so ratios mean more than times.
"""
