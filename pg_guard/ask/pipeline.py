"""From a question to an answer. In: a question and who asks. Out: an `Answer`; never an exception but a cancellation.

database → question → schema → generate → extract → check → run → review
                                  ↑______ findings or error ____|
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from pg_guard.ask import prompts
from pg_guard.ask.answer import Answer, AnswerError, AnswerWarning, Attempt
from pg_guard.ask.context import ContextIndex
from pg_guard.ask.extract import extract_sql
from pg_guard.ask.model import ModelError, Usage
from pg_guard.ask.review import judge
from pg_guard.errors import CostError, DatabaseError, ExecutionError, PgGuardError
from pg_guard.execute.databases import DatabaseUnknown
from pg_guard.observe.audit import AuditUnavailable
from pg_guard.observe.observer import Observer
from pg_guard.report.told import told
from pg_guard.resilience.errors import ResilienceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence

    from pg_guard.ask.answer import AnswerCode
    from pg_guard.ask.model import Completion, LanguageModel, Message, Operation
    from pg_guard.execute.database import Checked, Database
    from pg_guard.execute.databases import Databases
    from pg_guard.execute.executor import QueryResult
    from pg_guard.resilience.guarded import Resilience
    from pg_guard.settings import Settings

__all__ = ["AskPipeline", "Outcomes", "Progress", "ReturnType"]

Progress: TypeAlias = "Callable[[str, float], Awaitable[None]]"
ReturnType: TypeAlias = Literal["result", "sql"]
# By version of the database and statement.
Outcomes: TypeAlias = "MutableMapping[tuple[str, str], QueryResult | ExecutionError]"

_log = logging.getLogger(__name__)


class _Stop(Exception):  # noqa: N818 - the end of a question, not a defect
    """The question ends here, with an error for the client."""

    def __init__(self, code: AnswerCode, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.error = AnswerError(code, message, hint)


@dataclass
class _Course:
    """What is known of one question so far."""

    answer: Answer
    principal: Mapping[str, object] | None
    progress: Progress | None
    model: LanguageModel | None
    outcomes: Outcomes
    question_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: list[Attempt] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)

    async def report(self, message: str, share: float) -> None:
        if self.progress is not None:
            await self.progress(message, share)


class AskPipeline:
    """Answers questions.

    Args:
        databases: Where to ask.
        settings: `validation` and `model` count here.
        resilience: Slots, retries and circuits of model calls.
        model: The model to use where a call brings none.
        observer: Told of model calls.
    """

    def __init__(
        self,
        databases: Databases,
        settings: Settings,
        resilience: Resilience,
        model: LanguageModel | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._databases = databases
        self._settings = settings
        self._resilience = resilience
        self._observer = observer or Observer()
        self._model = model

    async def ask(
        self,
        question: str,
        *,
        database: str | None = None,
        return_type: ReturnType = "result",
        principal: Mapping[str, object] | None = None,
        model: LanguageModel | None = None,
        progress: Progress | None = None,
        outcomes: Outcomes | None = None,
    ) -> Answer:
        """Answer one question.

        Args:
            question: In plain language.
            database: Its name; may be left out when there is one.
            return_type: ``sql`` stops before the statement runs.
            principal: What is known of who asks; reaches the policy.
            model: For this question alone, as when the client brings one.
            progress: Called with a sentence and a share between 0 and 1.
            outcomes: What statements gave when the same question was gone through before; added to.
        """
        known = {} if outcomes is None else outcomes
        course = _Course(Answer(question), principal, progress, model or self._model, known)
        with self._observer.asking(question, course.question_id) as asked:
            answer = await self._answered(course, database, return_type)
            asked.code = answer.error.code if answer.error is not None else ""
        return replace(answer, attempts=tuple(course.attempts), usage=course.usage)

    async def _answered(self, course: _Course, database: str | None, return_type: ReturnType) -> Answer:
        """An answer in any case, and in time."""
        try:
            async with asyncio.timeout(self._settings.validation.total_timeout):
                return await self._answer(course, database, return_type)
        except TimeoutError:
            seconds = self._settings.validation.total_timeout
            error = AnswerError(
                "TIMEOUT", f"the question took longer than {seconds:g} s", "ask for less, or raise the limit"
            )
            return replace(course.answer, error=error)
        except _Stop as stop:
            return replace(course.answer, error=stop.error)
        except PgGuardError as error:
            return replace(course.answer, error=_as_answer_error(error))
        except Exception as error:  # noqa: BLE001 - whatever fails, the client gets an answer that it can read
            # The log tells the kind of error only: its text may hold data.
            _log.error("a question failed unexpectedly: %s", type(error).__name__)
            internal = AnswerError(
                "INTERNAL", "the server failed on this question", "report it as a defect of pg-guard"
            )
            return replace(course.answer, error=internal)

    async def _answer(self, course: _Course, name: str | None, return_type: ReturnType) -> Answer:
        database = self._databases.resolve(name)
        course.answer = replace(course.answer, database=database.name)
        self._check_question(course.answer.question)
        if course.model is None:
            raise ModelError(
                "NO_MODEL",
                "no model is configured, and the client offers none",
                hint="set PG_GUARD_MODEL__KEY, or use a client with MCP sampling; run_sql works without a model",
            )
        await course.report("looking for the tables", 0.05)
        conversation = await self._conversation(course.answer.question, database)
        last_problem: _Stop | None = None
        tries = self._settings.validation.max_retries + 1
        for number in range(tries):
            await course.report(
                "writing SQL" if not number else f"writing SQL again ({number + 1})", 0.1 + 0.6 * number / tries
            )
            outcome = await self._try(course, database, conversation, return_type)
            if not isinstance(outcome, _Repair):
                return outcome
            conversation += outcome.turn
            last_problem = outcome.stop
        assert last_problem is not None  # there is at least one try
        raise last_problem

    def _check_question(self, question: str) -> None:
        most = self._settings.validation.max_question_length
        if not question.strip():
            raise _Stop("QUESTION_EMPTY", "there is no question", "ask one in plain language")
        if len(question) > most:
            raise _Stop(
                "QUESTION_TOO_LONG",
                f"the question has {len(question):,} characters; the limit is {most:,}",
                "shorten it",
            )

    async def _conversation(self, question: str, database: Database) -> list[Message]:
        index = await database.derived("context", ContextIndex.build)
        context = index.context(question, token_budget=self._settings.model.context_tokens)
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        return prompts.generation(question, context.text, database.guard.policy, today)

    async def _try(
        self, course: _Course, database: Database, conversation: list[Message], return_type: ReturnType
    ) -> Answer | _Repair:
        completion = await self._complete(course, conversation, "generate")
        sql = extract_sql(completion.text)
        if sql is None:
            course.attempts.append(Attempt("", "no SQL in the model's answer"))
            stop = _Stop("NO_SQL", "the model wrote no SQL", "ask about data that the listed tables hold")
            return _Repair(prompts.repair_without_sql(completion.text), stop)
        # Another may have taken its place while the model wrote.
        database = self._databases.resolve(database.name)
        checked = await database.check(
            sql,
            course.principal,
            operation="check" if return_type == "sql" else "run",
            question_id=course.question_id,
        )
        findings = told(checked.decision, checked.guard).findings
        version = database.version_of(checked.decision)
        course.answer = replace(course.answer, sql=sql, decision=checked.decision, findings=findings, version=version)
        if not checked.decision.allowed:
            denials = [each for each in findings if each.effect == "deny"]
            course.attempts.append(Attempt(sql, "; ".join(dict.fromkeys(each.rule for each in denials))))
            stop = _Stop("DENIED", f"the policy refuses the statement: {denials[0].message}", denials[0].remediation)
            return _Repair(prompts.repair_after_denial(sql, denials), stop)
        if return_type == "sql":
            course.attempts.append(Attempt(sql))
            return course.answer
        await course.report("running SQL", 0.75)
        try:
            result = await self._run(course, database, checked)
        except ExecutionError as error:
            course.attempts.append(Attempt(sql, error.sqlstate or error.code))
            code: AnswerCode = "COST_TOO_HIGH" if isinstance(error, CostError) else "EXECUTION_FAILED"
            return _Repair(
                prompts.repair_after_failure(sql, error.message, error.hint), _Stop(code, error.message, error.hint)
            )
        course.attempts.append(Attempt(sql))
        course.answer = replace(course.answer, result=result)
        return await self._reviewed(course, checked, result)

    async def _run(self, course: _Course, database: Database, checked: Checked) -> QueryResult:
        """Run an allowed statement, unless this question has run it before: what is judged is what is answered."""
        key = (course.answer.version, checked.decision.statement)
        if key not in course.outcomes:
            try:
                course.outcomes[key] = await database.run(checked, principal=_who(course.principal))
            except ExecutionError as error:
                course.outcomes[key] = error
        outcome = course.outcomes[key]
        if isinstance(outcome, ExecutionError):
            raise outcome
        return outcome

    async def _reviewed(self, course: _Course, checked: Checked, result: QueryResult) -> Answer:
        settings, answer = self._settings.validation, course.answer
        warnings: list[AnswerWarning] = []
        if result.truncated:
            warnings.append(
                AnswerWarning("TRUNCATED", f"there are more rows than the {result.row_count} that are shown")
            )
        if not result.row_count:
            warnings.append(AnswerWarning("EMPTY_RESULT", "no row matches; check names and dates of the question"))
        elif settings.enabled:
            await course.report("checking the answer", 0.9)
            try:
                async with asyncio.timeout(settings.timeout):
                    review = await judge(
                        lambda messages: self._complete(course, messages, "review"),
                        answer.question,
                        checked.decision.statement,
                        result,
                        sample_rows=settings.sample_rows,
                    )
            except (PgGuardError, TimeoutError) as error:
                reason = (
                    error.message if isinstance(error, PgGuardError) else f"no judgement within {settings.timeout:g} s"
                )
                warnings.append(AnswerWarning("REVIEW_FAILED", f"the answer was not judged: {reason}"))
            else:
                answer = replace(answer, review=review)
                if review.confidence < settings.confidence_threshold:
                    warnings.append(
                        AnswerWarning("LOW_CONFIDENCE", f"confidence {review.confidence} of 100: {review.explanation}")
                    )
        await course.report("done", 1.0)
        return replace(answer, warnings=tuple(warnings))

    async def _complete(self, course: _Course, messages: Sequence[Message], operation: Operation) -> Completion:
        model = course.model
        assert model is not None  # checked before the first call
        async with self._resilience.model_slot():
            completion = await self._resilience.call_model(
                model.name,
                lambda: self._observer.model_call(
                    operation, model.name, lambda: model.complete(messages, operation=operation)
                ),
            )
        course.usage = course.usage.plus(completion)
        return completion


@dataclass(frozen=True)
class _Repair:
    """A try that failed: the turn that tells the model why, and the error if it was the last."""

    turn: list[Message]
    stop: _Stop


def _who(principal: Mapping[str, object] | None) -> str | None:
    client = (principal or {}).get("client")
    return str(client) if client is not None else None


def _as_answer_error(error: PgGuardError) -> AnswerError:
    if isinstance(error, ModelError):
        return AnswerError(error.reason, error.message, error.hint)
    if isinstance(error, (ResilienceError, DatabaseUnknown, AuditUnavailable)):
        return AnswerError(error.code, error.message, error.hint)  # type: ignore[arg-type]  # their codes are AnswerCodes
    if isinstance(error, DatabaseError):
        return AnswerError("DATABASE_UNAVAILABLE", error.message, error.hint)
    return AnswerError("INTERNAL", error.message, error.hint)
