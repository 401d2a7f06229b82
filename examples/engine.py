"""An engine that finds the connector by its entry point and runs an action of it.

Runs against the offline provider: `python examples/engine.py`. For a real key, give `invoke` a
connection such as `{"fields": {"apiKey": …, "isOpenAIKey": true}}`.
"""

from importlib.metadata import entry_points

from connector.sandbox import Sandbox


def main() -> None:
    (found,) = entry_points(group="connectors", name="azure-openai-service")
    connector = found.load().load()
    with Sandbox(connector.describe()["models"]) as sandbox:
        connection = sandbox.connection("openai")
        messages = [{"role": "user", "content": "Name three primary colours."}]
        result = connector.invoke("createChatCompletion", {"messages": messages}, connection)
        if result.error is None:
            print(result.data["choices"][0]["message"]["content"])
        elif result.error.retryable and result.error.sent != "unknown":
            print("may be repeated without paying twice:", result.error)
        else:
            print("not repeated:", result.error)
        connector.close()


if __name__ == "__main__":
    main()
