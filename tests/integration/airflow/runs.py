"""Runs DAGs in Airflow's own test mode: `python runs.py FOLDER DAG...`; a line of JSON for each."""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.sdk import DAG
from airflow.utils.session import create_session
from sqlalchemy import select


def run(dag: DAG) -> dict[str, Any]:
    """Run a DAG; return the state, tries and times of each of its tasks."""
    done = dag.test()
    with create_session() as session:
        tasks = [
            {
                "task": task.task_id,
                "index": task.map_index,
                "state": str(task.state),
                "tries": task.try_number,
                "start": task.start_date.timestamp(),
                "earlier": [
                    {"end": old.end_date.timestamp(), "delay": old.retry_delay_override}
                    for old in session.scalars(
                        select(TaskInstanceHistory).where(
                            TaskInstanceHistory.dag_id == task.dag_id,
                            TaskInstanceHistory.task_id == task.task_id,
                            TaskInstanceHistory.map_index == task.map_index,
                        )
                    )
                ],
            }
            for task in done.get_task_instances(session=session)
        ]
    return {"dag": dag.dag_id, "state": str(done.state), "tasks": tasks}


found = DagBag(sys.argv[1])
assert found.import_errors == {}
for name in sys.argv[2:]:
    print(json.dumps(run(found.dags[name])), flush=True)
