"""Where it rests: capture, live parts, sealed hours."""
