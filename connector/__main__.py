"""`python -m connector` is the command line."""

from connector.doors.cli.main import run

if __name__ == "__main__":
    raise SystemExit(run())
