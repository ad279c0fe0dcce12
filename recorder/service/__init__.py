"""The recorder under a service manager: what systemd is told, and what it is asked to do."""
