"""The invariants. A check takes evidence and gives a message for each thing that is wrong."""
