"""How long, how often and how many at once: deadline, retry, budget, fan-out."""
