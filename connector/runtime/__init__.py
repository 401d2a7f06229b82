"""What the interpreter needs: threads, forks, flags, exceptions from outside, bounded tables."""
