"""A million hostile frames through the pipeline: none crashes it, none stalls it, all count.

Frames of both venues, made ones and recorded ones where they lie beside the checkout, are spoilt as
an enemy, a bug or a bad cable would spoil them, and given to one pipeline on sessions that open,
ask, close and turn the hour. A part of them goes through a whole recording and is read back from
the capture.

    python -m tests.hostile --frames 1000000
"""
