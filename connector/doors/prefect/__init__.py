"""The door for Prefect: blocks for connections, tasks for actions. It needs the extra `prefect`."""

from connector.version import DISTRIBUTION

try:
    from connector.doors.prefect.blocks import blocks as blocks
    from connector.doors.prefect.tasks import tasks as tasks
except ModuleNotFoundError as error:
    if str(error.name).partition(".")[0] != "prefect":
        raise
    raise ModuleNotFoundError(
        f"connector.doors.prefect needs prefect: pip install '{DISTRIBUTION}[prefect]'",
        name="prefect",
    ) from None
