"""The service under a real systemd: units started, killed, stalled, stopped in a container."""
