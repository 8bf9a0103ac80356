import pytest

from foretune.core import EpochReport, Status, TrialFailed, TrialResult, TrialSpec
from foretune.execute import InlineExecutor
from foretune.execute.answer import answer
from foretune.testing.executors import ExecutorContract

SPEC = TrialSpec(number=3, params={"lr": 0.1}, seed=0)


class TestInline(ExecutorContract):
    @pytest.fixture
    def make(self):
        return lambda recipe: InlineExecutor(recipe(0))


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


def raising(error, *, after_epochs=0):
    def objective(spec, on_epoch):
        for epoch in range(1, after_epochs + 1):
            on_epoch(EpochReport(epoch, -abs(epoch - 2), {"eval_loss": 1.0 / epoch}, 0.1))
        raise error

    return lambda spec, on_epoch: answer(objective, spec, on_epoch)


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (TrialFailed("the loss is NaN"), Status.FAILED, "the loss is NaN"),
        (ValueError("bad\nshape"), Status.FAILED, "ValueError: bad shape"),
        (MemoryError(), Status.FAILED, "out of memory"),
        (OutOfMemoryError("CUDA"), Status.FAILED, "out of memory: CUDA"),
        (KeyboardInterrupt(), Status.INTERRUPTED, "interrupted"),
    ],
)
def test_whatever_is_raised_becomes_a_result(error, status, reason):
    result = raising(error)(SPEC, lambda report: False)
    assert (result.status, result.reason, result.score) == (status, reason, None)
    assert result.spec is SPEC


def test_finished_epochs_are_kept_and_reported_on():
    seen = []
    result = raising(KeyboardInterrupt(), after_epochs=3)(SPEC, seen.append)
    assert list(result.epochs) == seen
    assert [report.epoch for report in seen] == [1, 2, 3]
    assert result.score == 0, "the best epoch's"
    failed = raising(TrialFailed("NaN"), after_epochs=3)(SPEC, lambda report: False)
    assert failed.score is None, "a failed trial has no score"
    assert len(failed.epochs) == 3


def test_an_answer_passes_unchanged():
    told = TrialResult(SPEC, Status.COMPLETED, 0.5)
    executor = InlineExecutor(lambda spec, on_epoch: told)
    executor.submit(SPEC)
    assert executor.next_result(lambda spec, report: False) is told


def test_exits_are_not_swallowed():
    with pytest.raises(SystemExit):
        raising(SystemExit(1))(SPEC, lambda report: False)
