"""How it arrives: connections to the venue, and the plan of what each carries."""
