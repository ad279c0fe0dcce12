"""Programs that run in the environments of other packages: they read what was exported."""
