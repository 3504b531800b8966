"""Several runs in one call."""

import pytest
import torch

from invprior.errors import OptionError
from invprior.problem.solution import Interrupted
from invprior.runner.api import solve
from invprior.runner.ensemble import disagreement, seeds

KNOWN = {"noise": "gaussian:sigma=0.5"}


def test_the_first_run_is_the_single_run_and_x_is_the_mean(y, drawn):
    single = solve(y, prior=drawn, seed=7, **KNOWN)
    found = solve(y, prior=drawn, seed=7, runs=3, **KNOWN)
    assert torch.equal(found.members[0].x, single.x)
    assert [m.provenance["seed"] for m in found.members] == seeds(7, 3)
    images = torch.stack([m.x for m in found.members])
    torch.testing.assert_close(found.x, images.mean(0))
    torch.testing.assert_close(found.deviation, images.std(0))
    assert found.deviation.shape == y.shape
    assert (found.steps, found.stop.ok, len(found.members)) == (60, True, 3)
    assert single.deviation is None
    assert single.members == ()


def test_every_member_can_be_run_again_by_its_seed(y, drawn):
    found = solve(y, prior=drawn, runs=3, **KNOWN)
    for member in found.members:
        again = solve(y, prior=drawn, seed=member.provenance["seed"], **KNOWN)
        assert torch.equal(again.x, member.x)


def test_seeds_do_not_depend_on_how_many_there_are():
    assert seeds(5, 4)[:2] == seeds(5, 2)
    assert seeds(5, 2)[0] == 5
    assert len({*seeds(5, 9), *seeds(6, 9)}) == 18
    assert all(-(2**63) <= s < 2**63 for s in seeds(-(2**63), 5))


def test_a_batch_of_several_runs(y, drawn):
    both = torch.cat([y, y.flip(2)])
    found = solve(both, prior=drawn, runs=2, **KNOWN)
    assert found.x.shape == found.deviation.shape == both.shape
    assert [len(p.members) for p in found.images] == [2, 2]
    alone = solve(y.flip(2), prior=drawn, runs=2, **KNOWN)
    assert torch.equal(found.x[1:], alone.x)
    assert torch.equal(found.deviation[1:], alone.deviation)


@pytest.mark.parametrize("runs", [0, -1, 1.5, True, "2"])
def test_runs_is_a_whole_number(y, drawn, runs):
    with pytest.raises(OptionError, match='"runs" must be an integer >= 1; got'):
        solve(y, prior=drawn, runs=runs)


def test_runs_that_would_be_copies_are_refused(y, quadratic):
    with pytest.raises(
        OptionError, match='"runs" must be 1 for a prior that draws no random numbers'
    ):
        solve(y, prior=quadratic, runs=2)
    assert solve(y, prior=quadratic, runs=1, steps=2, **KNOWN).members == ()


def test_an_interrupt_keeps_the_runs_so_far(y, drawn):
    def interrupt(iterate):
        interrupt.calls += 1
        if interrupt.calls == 25:
            raise KeyboardInterrupt

    interrupt.calls = 0
    with pytest.raises(Interrupted) as caught:
        solve(y, prior=drawn, runs=3, callbacks=[interrupt], **KNOWN)
    found = caught.value.solution
    assert [m.steps for m in found.members] == [20, 5]
    assert found.stop.name == "interrupted"
    torch.testing.assert_close(found.x, (found.members[0].x + found.members[1].x) / 2)


def test_runs_go_on_from_a_checkpoint(y, drawn, tmp_path):
    run = {"prior": drawn, "runs": 3, **KNOWN}
    whole = solve(y, **run)
    seen = []

    def interrupt(iterate):
        seen.append(iterate.step)
        if len(seen) == 25:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        solve(y, checkpoint=tmp_path / "c", callbacks=[interrupt], **run)
    seen.clear()
    rest = solve(y, checkpoint=tmp_path / "c", callbacks=[lambda i: seen.append(i.step)], **run)
    assert seen == [*range(6, 21), *range(1, 21)]
    assert torch.equal(rest.x, whole.x)
    assert torch.equal(rest.deviation, whole.deviation)
    assert not (tmp_path / "c").exists()


def runs(count, spread, generator_seed=0):
    """Images that differ from one another by noise of a standard deviation."""
    generator = torch.Generator().manual_seed(generator_seed)
    return 0.5 + spread * torch.randn((count, 1, 1, 32, 32), generator=generator)


def test_runs_agree_below_the_noise():
    assert disagreement(runs(4, 0.04), 0.05) is None
    assert "their standard deviation is 0.0" in disagreement(runs(4, 0.06), 0.05)
    assert "their standard deviation is 0.0" in disagreement(runs(2, 0.06), 0.05)


def test_what_nobody_sees_does_not_count():
    assert disagreement(runs(3, 0.015), 0.001) is None
    assert "above the noise, 0.001" in disagreement(runs(3, 0.03), 0.001)


def test_one_run_that_ended_elsewhere_is_named():
    images = runs(4, 0.01)
    images[2] += 0.1
    note = disagreement(images, 0.5)
    assert "run 3 is at a distance of 0.1" in note
    images = runs(4, 0.01)
    images[2] += 0.01
    assert disagreement(images, 0.5) is None


def test_two_runs_cannot_outvote_each_other():
    images = runs(2, 0.001)
    images[1] += 0.2
    assert disagreement(images, 0.5) is None
    assert disagreement(images, 0.1) is not None
    images[1] = float("nan")
    assert disagreement(images, 0.5) is not None


def test_a_run_of_nan_disagrees():
    images = runs(3, 0.01)
    images[1] = float("nan")
    assert "run 2" in disagreement(images, 0.05)


def test_disagreement_is_a_note(y, drawn, caplog):
    found = solve(y, prior=drawn, runs=2, steps=1, noise="gaussian:sigma=0.01")
    assert "the runs disagree" in found.notes[-1]
    assert found.notes[-1] in caplog.text
    assert solve(y, prior=drawn, runs=2, steps=1, noise="gaussian:sigma=0.9").notes == ()
