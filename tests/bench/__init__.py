"""Figures of speed and size, measured and printed beside the design's; nothing is asserted.

``python -m tests.bench`` takes about half an hour; ``--only`` measures one section: ``core``,
``store``, ``socket``, ``latency``, ``read`` and ``export`` take some minutes together, ``--quick``
less and they say less. ``share``, ``memory``, ``disk``, ``growth`` and ``through`` are rows of
the goals that take the whole recorder; ``--long`` gives them more.
What is compared is measured in one run, taking turns, and the medians are compared: the machine is
shared, so ratios mean more than times.
"""
