"""The door for Temporal: activities for its workers. It needs the extra `temporal`."""

from connector.version import DISTRIBUTION

try:
    from connector.doors.temporal.activities import activities as activities
except ModuleNotFoundError as error:
    if str(error.name).partition(".")[0] != "temporalio":
        raise
    raise ModuleNotFoundError(
        f"connector.doors.temporal needs temporalio: pip install '{DISTRIBUTION}[temporal]'",
        name="temporalio",
    ) from None
