"""Programs that time what others do with the same data, in environments of their own."""
