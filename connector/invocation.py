"""One invocation, from a prepared target to its envelope.

The only place where errors become a result.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector.errors import ConnectorError, is_plain, problem, refused
from connector.files.output_file import OutputFile
from connector.manifest.model import Manifest
from connector.policy.clock import Clock
from connector.policy.context import Context, DryRunDone, worst_sent
from connector.result import Failure, Result, Success
from connector.runtime.interruptions import find_external, is_external
from connector.text.secrets import MASK
from connector.text.strict_json import UNPAIRED
from connector.validation.form import Cleaned
from connector.version import __version__

if TYPE_CHECKING:
    from connector.client import Client
    from connector.connections.store import ReadyConnection
    from connector.providers.provider import Provider

_MOST_RESUMED = 5
"""How often a handler may be ended from outside before it is not run once more."""


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
        self._sink = OutputFile(Path(output)) if output is not None else None
        self._progress = progress
        self._clock = clock
        self._call = Context(manifest.policies, clock, name)
        self._prepared: tuple[ReadyConnection, Cleaned] | None = None
        self._provider: Provider | None = None
        self._resumed = 0

    @property
    def wrote(self) -> bool:
        return self._sink is not None and bool(self._sink.written)

    def result(
        self,
        prepare: Callable[[], tuple[ReadyConnection, Cleaned]],
        work: Callable[[Client, Cleaned], Any],
    ) -> Success | Failure:
        """Return what became of the invocation.

        An exception that an engine raises into it is raised again, once nothing is under way any
        more; its attribute `connector_result` is then the result so far.
        """
        start = self._clock.monotonic()
        result = None
        came: BaseException | None = None
        while result is None:
            try:
                if came is not None:
                    self._call.deadline.end(came)
                data, error = self._outcome(prepare, work)
                duration = round((self._clock.monotonic() - start) * 1000)
                result = Result(data, error, self._meta(duration))
            except BaseException as end:
                if not is_external(end):
                    raise
                came = end  # once more, with what is finished: a second Ctrl-C loses nothing
        engines: Any = self._call.deadline.ended_by
        if engines is None or isinstance(engines, KeyboardInterrupt):
            return result
        with contextlib.suppress(AttributeError):  # not every exception takes attributes
            engines.connector_result = result
        del prepare, work
        raise engines

    def _outcome(self, prepare: Any, work: Any) -> tuple[Any, ConnectorError | None]:
        try:
            data = self._done(prepare, work)
        except DryRunDone:
            planned = self._planned or []
            return (planned[0] if len(planned) == 1 else planned), None
        except ConnectorError as found:
            if (end := find_external(found)) is not None:
                raise end from None
            error = found
        except UnicodeEncodeError:  # wherever it was met: in a path, a query, the name of a part
            error = ConnectorError("invalid_input", f"A text {UNPAIRED}.")
        except Exception as defect:  # noqa: BLE001 - the envelope is all that a caller gets
            if (end := find_external(defect)) is not None:
                raise end from None
            error = self._call.defect(defect)
        else:
            if self._call.deadline.ended_by is not None:
                self._call.warn("The action was interrupted when its work was done.")
            return data, None
        finally:
            if self._sink is not None:
                self._sink.abort()
        error = self._scrubbed(error)
        return error.data, error

    def _done(self, prepare: Any, work: Any) -> Any:
        if self._call.deadline.ended_by is not None:
            self._check_resumable()
        if self._prepared is None:
            target, cleaned = prepare()
            self._provider = target.provider
            for text in target.warnings:
                self._call.warn(text)
            if problems := cleaned.problems + self._choose_model(cleaned):
                raise refused(*cleaned.form.refusal(cleaned.values, problems))
            if self._sink is not None and self._planned is None:
                self._sink.check()
            self._prepared = target, cleaned
        target, cleaned = self._prepared
        return work(self._client(target), cleaned)

    def _check_resumable(self) -> None:
        """Raise ConnectorError where an ended invocation has nothing for its handler to return.

        Else the handler runs once more, sends nothing, and returns what its batches have brought.
        """
        for batch in self._call.batches:
            batch.outcomes()  # once nothing of it is under way
        self._resumed += 1
        if not self._call.batches or self.wrote or self._resumed > _MOST_RESUMED:
            raise ConnectorError("cancelled", "The action was interrupted.")

    def _client(self, target: ReadyConnection) -> Client:
        from connector.client import Client  # a refused payload has no use for it

        return Client(
            target.provider,
            target.transport,
            self._call,
            self._manifest.models,
            f"{self._manifest.key}-connector/{__version__}",
            self._planned,
            self._sink,
            self._progress,
        )

    def _choose_model(self, cleaned: Cleaned) -> list[dict[str, str]]:
        """Replace a defaulted model where the connection knows better, and return the problems of
        a model that no request to this provider can name: a fan-out would find out once a part."""
        spec = self._manifest.actions.get(self._name)
        target = self._provider
        problems: list[dict[str, str]] = []
        if spec is None or target is None:
            return problems
        known = {row["path"] for row in cleaned.problems}
        for item in spec.inputs:
            path = f"/inputs/{item.key}"
            model = cleaned.values.get(item.key) if item.data_source else None
            if not isinstance(model, str) or path in known:
                continue
            if item.key in cleaned.defaulted:
                model = cleaned.values[item.key] = self._model(model, target)
            if fault := target.model_fault(model):
                problems.append(problem(path, fault, item.label))
        return problems

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

    def _scrubbed(self, error: ConnectorError) -> ConnectorError:
        """Return the error with the key masked, without its frames, true for all attempts."""
        error.sent = worst_sent(error.sent, self._call.sent)
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

    def _shown_name(self) -> str:
        """Return the name of the action: what is none may be a misplaced key."""
        name: Any = self._name
        known = isinstance(name, str) and (name in self._manifest.actions or is_plain(name))
        return name if known else MASK

    def _meta(self, duration: int) -> dict[str, Any]:
        call = self._call
        warnings = list(call.warnings)
        if self._provider is not None:
            warnings = [self._provider.secret.scrub(text) for text in warnings]
        meta = {
            "action": self._shown_name(),
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
