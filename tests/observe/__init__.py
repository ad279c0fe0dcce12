"""Every expression of the rules and of the dashboard, asked of a real Prometheus.

    python -m tests.observe

It scrapes a real recorder, whose venue on loopback loses frames and connections. Needs `prometheus`
and `promtool` (the Debian package prometheus); without them it says so and passes.
"""
