"""What the data means: pure and synchronous, no clock, no file, no log."""
