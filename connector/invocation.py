"""One invocation, from a prepared target to its envelope.

The only place where errors become a result.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector.errors import ConnectorError, refused
from connector.inputs import Cleaned
from connector.jsontext import UNPAIRED
from connector.manifest import Manifest
from connector.result import Result
from connector.sink import Sink
from connector.transport.call import Call, Clock, Planned, worse
from connector.version import __version__

if TYPE_CHECKING:
    from connector.targets import Target
    from connector.transport.client import Client
    from connector.transport.providers import Provider


class Invocation:
    """One run of an action, of a connection's test, or of a data source."""

    def __init__(
        self,
        manifest: Manifest,
        clock: Clock,
        name: str,
        dry_run: bool = False,
        output: str | os.PathLike[str] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._manifest = manifest
        self._name = name
        self._planned: list[dict[str, Any]] | None = [] if dry_run else None
        self._sink = Sink(Path(output)) if output is not None else None
        self._progress = progress
        self._clock = clock
        self._call = Call(manifest.policies, clock)
        self._provider: Provider | None = None

    @property
    def wrote(self) -> bool:
        return self._sink is not None and bool(self._sink.written)

    def result(
        self,
        prepare: Callable[[], tuple[Target, Cleaned]],
        work: Callable[[Client, Cleaned], Any],
    ) -> Result:
        start = self._clock.monotonic()
        data, error = self._outcome(prepare, work)
        duration = round((self._clock.monotonic() - start) * 1000)
        return Result(data, error, self._meta(duration))

    def _outcome(self, prepare: Any, work: Any) -> tuple[Any, ConnectorError | None]:
        try:
            target, cleaned = prepare()
            self._provider = target.provider
            if cleaned.problems:
                raise refused("invalid_input", cleaned.problems)
            if self._sink is not None and self._planned is None:
                self._sink.check()
            self._choose_model(cleaned)
            return work(self._client(target), cleaned), None
        except Planned:
            planned = self._planned or []
            return (planned[0] if len(planned) == 1 else planned), None
        except ConnectorError as found:
            error = found
        except KeyboardInterrupt:
            self._call.deadline.cancel()
            error = ConnectorError("cancelled", "The action was interrupted.")
        except UnicodeEncodeError:  # wherever it was met: in a path, a query, the name of a part
            error = ConnectorError("invalid_input", f"A text {UNPAIRED}.")
        except Exception as defect:  # noqa: BLE001 - the envelope is all that a caller gets
            error = self._internal(defect)
        except BaseException as end:  # noqa: BLE001 - raised again
            # Somebody's own end, such as SystemExit from a signal handler: it passes, without the
            # frames that hold the key.
            self._call.deadline.cancel()
            end.__context__ = end.__cause__ = None
            raise end.with_traceback(None)  # noqa: B904 - that is the point
        finally:
            if self._sink is not None:
                self._sink.abort()
        error = self._scrubbed(error)
        return error.data, error

    def _client(self, target: Target) -> Client:
        from connector.transport.client import Client  # a refused payload has no use for it

        return Client(
            target.provider,
            target.line,
            self._call,
            self._manifest.models,
            f"{self._manifest.key}-connector/{__version__}",
            self._planned,
            self._sink,
            self._progress,
        )

    def _choose_model(self, cleaned: Cleaned) -> None:
        """Replace a model that nobody named, where the connection knows better."""
        spec = self._manifest.actions.get(self._name)
        target = self._provider
        for item in spec.inputs if spec and target else ():
            if target and item.data_source and item.key in cleaned.defaulted:
                model = cleaned.values[item.key]
                cleaned.values[item.key] = self._model(model, target)

    def _model(self, model: str, target: Provider) -> str:
        models = self._manifest.models
        facts = models.get(model)
        if target.deploys:
            images = facts is not None and facts.api == "images"
            named = target.deployment if images == (target.deployment_api == "images") else None
            return named or model
        today = self._clock.today()
        found = model
        for _ in models:  # as many steps as there are models: successors may form a circle
            if not facts or not facts.successor or facts.retires.get(target.name, "9999") > today:
                break
            found = facts.successor
            facts = models.get(found)
        if found != model:
            self._call.replaced_model = True
            self._call.warn(f"The default model {model} has retired; {found} was used instead.")
        return found

    def _internal(self, defect: Exception) -> ConnectorError:
        # Only the kind and the place: the text of an unforeseen exception may hold anything.
        trace = defect.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        code = trace.tb_frame.f_code if trace else None
        place = f"{Path(code.co_filename).name}:{trace.tb_lineno}" if code and trace else "?"
        import logging

        logging.getLogger("connector").error(
            "internal error in %s: %s at %s", self._name, type(defect).__name__, place
        )
        return ConnectorError(
            "internal_error",
            f"{type(defect).__name__} at {place}.",
        )

    def _scrubbed(self, error: ConnectorError) -> ConnectorError:
        """Return the error with the key masked, without its frames, true for all attempts."""
        error.sent = worse(error.sent, self._call.sent)
        if self._provider is not None:
            secret = self._provider.secret
            for name, value in vars(error).items():
                if isinstance(value, str):
                    setattr(error, name, secret.scrub(value))
            error.args = (error.message,)
            error.details = secret.scrub_json(error.details)
            error.data = secret.scrub_json(error.data)
        error.__traceback__ = error.__cause__ = error.__context__ = None
        return error

    def _meta(self, duration: int) -> dict[str, Any]:
        call = self._call
        warnings = list(call.warnings)
        if self._provider is not None:
            warnings = [self._provider.secret.scrub(text) for text in warnings]
        meta = {
            "action": self._name,
            "provider": self._provider.name if self._provider else None,
            "attempts": call.attempts,
            "durationMs": duration,
            "requestId": call.request_id,
            "usage": call.usage,
            "warnings": warnings,
        }
        if call.shows_answer:
            headers = call.headers or {}
            meta["httpStatus"] = call.http_status
            meta["headers"] = {k: v for k, v in headers.items() if k != "set-cookie"}
        return meta
