"""A connector to Azure OpenAI Service and OpenAI for workflow engines and low-code builders.

connector = Connector.load()
result = connector.invoke("summarizeText", inputs, connection)
"""

from connector.connector import Connector
from connector.errors import ConnectorError
from connector.result import Result
from connector.version import __version__

__all__ = ["Connector", "ConnectorError", "Result", "__version__"]
