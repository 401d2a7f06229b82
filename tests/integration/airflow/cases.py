"""The DAGs of the tests: each is one task that fails in its own way, or gives a large result."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from connector.doors.airflow.operator import ConnectorOperator


def case(name: str, action: str, inputs: dict[str, Any], retries: int = 2, **options: Any) -> DAG:
    """Return a DAG with one task, which Airflow may try again without a delay."""
    with DAG(name) as dag:
        ConnectorOperator(
            task_id=name,
            action=action,
            inputs=inputs,
            retries=retries,
            retry_delay=timedelta(0),
            **options,
        )
    return dag


def chat(content: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


limited = case("limited", "createChatCompletion", chat("sandbox:rate-limit:1"), max_retries=0)
broken = case("broken", "createChatCompletion", chat("sandbox:error:1"), max_retries=0)
refused = case("refused", "createChatCompletion", chat("Hi") | {"model": "none-such"})
invalid = case("invalid", "createChatCompletion", chat("Hi") | {"temperature": 3})
elsewhere = case("elsewhere", "createChatCompletion", chat("Hi"), conn_id="of_another_type")
slow = case(
    "slow", "createChatCompletion", chat("sandbox:slow"), execution_timeout=timedelta(seconds=1)
)
stopped = case("stopped", "createChatCompletion", chat("sandbox:slow-29999"), retries=0)
image = case("image", "createImage", {"prompt": "A lighthouse"})
