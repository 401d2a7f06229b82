"""The sandbox over real loopback HTTP: what it answers, and what it refuses as the services do."""
