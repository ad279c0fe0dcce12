"""Programs that run a recipe in the environment of an engine, and tell what came of it."""
