"""The promises. A check takes the evidence and gives a text for each thing that is wrong."""
