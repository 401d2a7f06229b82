"""Many prompts, one of which fails: what is finished is kept, and only the rest is repeated.

Runs against the offline provider: `python examples/partial.py`.
"""

from connector import Connector
from connector.sandbox import Sandbox


def main() -> None:
    connector = Connector.load()
    prompts = ["Name a river.", "sandbox:filter Name a fish.", "Name a mountain."]
    with Sandbox(connector.describe()["models"]) as sandbox:
        connection = sandbox.connection("azure")
        inputs = {"model": "gpt-4o-mini", "messages": prompts}
        result = connector.invoke("createCompletions", inputs, connection)
        for choice in result.data["choices"]:
            failure = choice["error"]
            print(choice["index"], failure["code"] if failure else choice["text"])
        connector.close()


if __name__ == "__main__":
    main()
