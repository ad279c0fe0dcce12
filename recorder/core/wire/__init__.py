"""Text ↔ messages, one module a venue."""
