"""Is each answer where it is said to be? Question-answering rows, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from foretune.core import DataError

if TYPE_CHECKING:
    from datasets import Dataset


def checked_answers(
    *,
    ids: Sequence[str] | None,
    questions: Sequence[str],
    contexts: Sequence[str],
    answers: Sequence[object],
    where: str,
) -> Dataset:
    """Rows with ``id``, ``question``, ``context`` and ``answers``.

    Args:
        ids: The questions' ids; None: their positions.
        questions: The questions.
        contexts: The texts that hold the answers.
        answers: Of each question: a text or several, or ``{"text": [...], "answer_start": [...]}``.
        where: Which rows these are, for an error.

    Raises:
        DataError: A question has no answer, or its answer is not in its context.
    """
    import pyarrow as pa
    from datasets import Dataset

    found = []
    for row, (context, answer) in enumerate(zip(contexts, answers, strict=True)):
        texts, starts = _texts_and_starts(answer, context)
        wrong = [
            text
            for text, start in zip(texts, starts, strict=True)
            if not text or start < 0 or context[start : start + len(text)] != text
        ]
        if not texts or wrong:
            got = f"{wrong[0]!r}, which is not" if wrong else "none"
            raise DataError(
                f"expected an answer that stands in the context for every question of {where}, "
                f"got {got} in row {row} ({questions[row][:60]!r})"
            )
        found.append({"text": texts, "answer_start": starts})
    answers_type = pa.struct({"text": pa.list_(pa.string()), "answer_start": pa.list_(pa.int64())})
    return Dataset(
        pa.table(
            {
                "id": pa.array(ids or [str(row) for row in range(len(found))], pa.string()),
                "question": pa.array(questions, pa.string()),
                "context": pa.array(contexts, pa.string()),
                "answers": pa.array(found, answers_type),
            }
        )
    )


def _texts_and_starts(answer: object, context: str) -> tuple[list[str], list[int]]:
    """The answer's texts and where they start; looked up where the row does not say."""
    if isinstance(answer, str):
        answer = [answer]
    if isinstance(answer, list):
        return answer, [context.find(text) for text in answer]
    if not isinstance(answer, Mapping):
        return [], []
    texts = cast("list[str]", answer.get("text") or [])
    starts = cast("list[int] | None", answer.get("answer_start"))
    if starts is None or len(starts) != len(texts):
        starts = [context.find(text) for text in texts]
    return list(texts), list(starts)
