"""A connector to Azure OpenAI Service and OpenAI for workflow engines and low-code builders.

connector = Connector.load()
result = connector.invoke("summarizeText", inputs, connection)
"""

from connector.connector import Connector
from connector.errors import ConnectorError
from connector.http.reach import Reach
from connector.payload import Payload
from connector.policy.cancellation import Cancellation
from connector.result import Result
from connector.stream import Stream
from connector.version import __version__

__all__ = [
    "Cancellation",
    "Connector",
    "ConnectorError",
    "Payload",
    "Reach",
    "Result",
    "Stream",
    "__version__",
]
