"""A run that was cut off goes on as if nothing had been: the same bits at the end."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

import invprior
from invprior import registry
from invprior.builders.problem import build
from invprior.checkpoint.checkpoint import FILE, Checkpoint
from invprior.errors import MeasurementError, OptionError
from invprior.io import sealed_tensors
from invprior.operators.base import LinearOperator
from invprior.problem.solution import DivergedError, Interrupted, Stop
from invprior.runner.api import solve, solve_problem
from invprior.runner.iteration import whole_steps
from invprior.solvers.base import State
from invprior.solvers.fista import FISTA
from invprior.stopping.base import StoppingRule
from invprior.stopping.max_steps import MaxSteps
from invprior.stopping.relative_change import RelativeChange
from invprior.stopping.time_limit import TimeLimit

KNOWN = {"noise": "gaussian:sigma=0.05"}
NET = "net=skip(down=[6,6],up=[6,6],skip=[2,2])"
NOISY = f"dip:{NET},input_noise=0.03,weight_noise=0.02,langevin=1.0,learn_input=true"
CASES = [  # solver, prior, operator
    ("adam", "tikhonov:weight=60", "blur"),
    ("adam", f"dip:{NET}", "inpaint:keep=0.6"),
    ("adam", NOISY, "blur"),
    ("adam", f"dip:{NET},recompute=true", "blur"),  # the measurement as input, through an operator
    ("adam", f"dip:{NET},input=measurement", "denoise"),
    ("lbfgs", "tikhonov:weight=60", "blur"),
    ("lbfgs", f"dip:{NET},input_noise=0", "denoise"),
    ("fista", "tv:weight=8", "denoise"),
    ("admm", "tv:weight=8", "blur"),
    ("admm", f"dip:{NET} + tv:weight=10", "denoise"),
    ("hqs:steps=9", "pnp:denoiser=wavelet", "blur"),
    ("hqs:inner=3", f"dip:{NET} + pnp:denoiser=tv", "denoise"),
    ("pdhg", "tv:weight=8", "blur"),
    ("auto", "wavelet", "denoise"),
]


class Cut:
    """Ends a run in the middle, as Ctrl-C does."""

    def __init__(self, step):
        self.step = step

    def __call__(self, iterate):
        if iterate.step == self.step:
            raise KeyboardInterrupt


@pytest.fixture
def image():
    """A measurement of (1, 1, 16, 16)."""
    ramp = torch.linspace(0.2, 0.8, 16)
    noise = torch.randn((1, 1, 16, 16), generator=torch.Generator().manual_seed(5))
    return (ramp * (ramp[:, None] > 0.5))[None, None] + 0.05 * noise


def cut(folder, y, step, **run):
    """Run until a step; what is kept then stands in the folder."""
    with pytest.raises(Interrupted) as caught:
        solve(y, callbacks=[Cut(step)], checkpoint=folder, **run)
    return caught.value.solution


@pytest.mark.parametrize(("solver", "prior", "operator"), CASES)
def test_every_solver_goes_on_bit_by_bit(image, tmp_path, solver, prior, operator):
    run = {
        "solver": solver,
        "prior": prior,
        "operator": operator,
        "stop": "max-steps:steps=9",
        "seed": 3,
        **KNOWN,
    }
    run["record_every"] = 2
    whole = solve(image, **run)
    cut(tmp_path / "c", image, 4, **run)
    seen = []
    rest = solve(image, checkpoint=tmp_path / "c", callbacks=[seen.append], **run)
    assert [i.step for i in seen] == [5, 6, 7, 8, 9]
    assert torch.equal(rest.x, whole.x)
    assert rest.stop == whole.stop
    assert rest.provenance == whole.provenance
    assert [(r["step"], r["energy"]) for r in rest.history] == [
        (r["step"], r["energy"]) for r in whole.history
    ]
    assert not (tmp_path / "c").exists()


def test_the_cases_hold_every_solver():
    assert {registry.find("solvers", s.partition(":")[0]).name for s, _, _ in CASES} == {
        e.name for e in registry.entries("solvers") if e.package == registry.CORE
    }


def test_a_run_can_be_cut_off_many_times(image, tmp_path):
    run = {"prior": NOISY, "stop": "max-steps:steps=8", "checkpoint_every": 0, **KNOWN}
    for step in range(1, 8):
        cut(tmp_path, image, step, **run)
    assert torch.equal(
        solve(image, checkpoint=tmp_path, **run).x,
        solve(image, prior=NOISY, stop="max-steps:steps=8", **KNOWN).x,
    )
    assert not tmp_path.exists()


def test_quick_runs_leave_nothing(image, tmp_path):
    watched = []
    solve(
        image,
        prior="tv:weight=8",
        stop="max-steps:steps=3",
        checkpoint=tmp_path / "c",
        callbacks=[lambda i: watched.append((tmp_path / "c").exists())],
        checkpoint_every=600,
    )
    assert watched == [False] * 3
    assert not (tmp_path / "c").exists()


@dataclass
class OwnState(State):
    past: dict[str, list[torch.Tensor]] = field(default_factory=dict)
    generator: torch.Generator | None = None
    best: Stop | None = None


@dataclass(frozen=True, kw_only=True)
class Own(FISTA):
    """A third party's solver: random, with a memory, and no code for checkpoints."""

    def init(self, objective, x0, generator):
        return OwnState(x0, generator=generator)

    def step(self, objective, state):
        noise = torch.randn(state.x.shape, generator=state.generator)
        past = [*state.past.get("x", []), state.x][-3:]
        x = sum(past) / len(past) + 0.1 * noise
        return OwnState(
            x, past={"x": past}, generator=state.generator, best=Stop("a", True, "b", x)
        )


def test_an_own_solver_needs_no_code_for_it(image, tmp_path):
    run = {"prior": "tv:weight=8", "solver": Own(), "stop": "max-steps:steps=9", **KNOWN}
    cut(tmp_path, image, 5, **run)
    assert torch.equal(solve(image, checkpoint=tmp_path, **run).x, solve(image, **run).x)


@dataclass(frozen=True, kw_only=True)
class Closed(Own):
    """Keeps what cannot be kept."""

    def init(self, objective, x0, generator):
        return OwnState(x0, past={"x": [lambda: x0]})


def test_a_state_that_cannot_be_kept_is_refused_before_any_step(image, tmp_path):
    with pytest.raises(OptionError) as caught:
        solve(
            image,
            prior="tv:weight=8",
            solver=Closed(),
            checkpoint=tmp_path / "c",
            callbacks=[Cut(1)],
        )
    assert "its past.x.0 is a function" in str(caught.value)
    assert "solver closed must consist of tensors" in str(caught.value)
    assert not (tmp_path / "c").exists()


class Counting:
    def __call__(self, iterate):
        return None


@dataclass(frozen=True, kw_only=True)
class Opaque(StoppingRule):
    def start(self, problem):
        return Counting()


def test_a_rule_that_cannot_be_kept_is_named(image, tmp_path):
    with pytest.raises(
        OptionError, match=r"stopping rule .*:Opaque must consist of.*its watcher is a Counting"
    ):
        solve(image, prior="tv:weight=8", stop=Opaque(), checkpoint=tmp_path)
    with pytest.raises(OptionError, match=r"its watchers\.0 is a Counting"):
        solve(image, prior="tv:weight=8", stop=Opaque(), steps=3, checkpoint=tmp_path)


def test_stopping_rules_remember(image, tmp_path):
    """Both have seen something before the cut: one quiet step; the first of two rules has fired."""
    quiet = RelativeChange(tolerance=1e9, patience=5)
    run = {"prior": "tv:weight=8", "solver": "fista", "stop": quiet, **KNOWN}
    cut(tmp_path, image, 3, **run)
    assert solve(image, checkpoint=tmp_path, **run).steps == 5
    early = RelativeChange(tolerance=1e9, patience=2) & RelativeChange(tolerance=1e9, patience=6)
    cut(tmp_path, image, 4, **{**run, "stop": early})
    found = solve(image, checkpoint=tmp_path, **{**run, "stop": early})
    assert (found.steps, found.stop.name) == (6, "relative-change & relative-change")


def test_time_goes_on(image, tmp_path, monkeypatch):
    """Every look at the clock takes a second."""
    clock = iter(range(10**6))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    run = {"prior": "tv:weight=8", "solver": "fista", "stop": TimeLimit(seconds=60), **KNOWN}
    before = cut(tmp_path, image, 10, **run).seconds
    found = solve(image, checkpoint=tmp_path, **run)
    assert found.stop.name == "time-limit"
    assert 60 <= found.seconds < 70
    assert [r["seconds"] for r in found.history] == sorted(r["seconds"] for r in found.history)
    assert before > 10


def test_more_steps_may_be_allowed(image, tmp_path):
    run = {
        "prior": "tikhonov",
        "solver": "adam",
        "stop": "relative-change:tolerance=1e-30",
        **KNOWN,
    }
    cut(tmp_path, image, 4, steps=6, **run)
    found = solve(image, steps=9, checkpoint=tmp_path, **run)
    assert found.steps == 9
    assert torch.equal(found.x, solve(image, steps=9, **run).x)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"prior": "tv:weight=3"}, "its prior is tv:weight=.* not tv:weight=3"),
        ({"solver": "pdhg"}, "its solver is fista:.* not pdhg"),
        ({"seed": 4}, "its seed is 0, not 4"),
        ({"operator": "blur"}, "its operator is denoise, not blur"),
        (
            {"noise": "gaussian:sigma=0.1"},
            "its fidelity is gaussian:sigma=0.05,clipping=auto, not gaussian:sigma=0.1",
        ),
        ({"dtype": torch.float64}, "its dtype is float32, not float64"),
        ({"x0": torch.zeros(16, 16)}, "its initial estimate x0 differs"),
        ({"y": torch.full((16, 16), 0.5)}, "its measurement differs"),
        ({"y": torch.full((16, 17), 0.5)}, r"its image shape is \[1, 16, 16\], not \[1, 16, 17\]"),
    ],
)
def test_another_runs_checkpoint_is_refused(image, tmp_path, change, what):
    run = {
        "y": image,
        "prior": "tv:weight=8",
        "solver": "fista",
        "stop": "max-steps:steps=9",
        **KNOWN,
    }
    cut(tmp_path, **{**run, "step": 4})
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(OptionError, match=f"belongs to another run: .*{what}.*remove this one"):
        solve(**{**run, **change}, checkpoint=tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def test_another_rule_that_remembers_otherwise_is_refused(image, tmp_path):
    run = {"prior": "tv:weight=8", "solver": "fista", **KNOWN}
    cut(tmp_path, image, 4, stop="relative-change:tolerance=1e-30", **run)
    with pytest.raises(OptionError, match="does not fit this run: watch"):
        solve(image, stop="max-steps:steps=9", checkpoint=tmp_path, **run)


def test_another_version_is_a_note(image, tmp_path, monkeypatch, caplog):
    run = {"prior": "tv:weight=8", "solver": "fista", "stop": "max-steps:steps=9", **KNOWN}
    with monkeypatch.context() as other:
        other.setattr("invprior.provenance.version_of", lambda name: "0.0.1")
        cut(tmp_path, image, 4, **run)
    found = solve(image, checkpoint=tmp_path, **run)
    assert f"torch was 0.0.1 and is {invprior.provenance.version_of('torch')}" in found.notes[0]
    assert found.notes[0] in caplog.text
    assert torch.equal(found.x, solve(image, **run).x)


def test_any_damage_is_refused(image, tmp_path):
    """Cut short, emptied, another file, and bits changed in the header, the tree, the tensors."""
    run = {"prior": "tv:weight=8", "solver": "fista", "stop": "max-steps:steps=9", **KNOWN}
    cut(tmp_path, image, 4, **run)
    data = (tmp_path / FILE).read_bytes()
    damaged = [data[: len(data) // 2], data[:-1], b"", b"no checkpoint", data[8:]]
    for place in (0, 9, len(data) // 10, len(data) // 3, len(data) // 2, len(data) - 1):
        changed = bytearray(data)
        changed[place] ^= 1
        damaged.append(bytes(changed))
    # One digit of the state: the file stays sound JSON.
    changed, count = re.subn(rb'(\\"step\\", *)4', rb"\g<1>3", data)
    assert count == 1
    damaged.append(changed)
    for content in damaged:
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(OptionError, match=r"checkpoint .* is damaged: .*to start over"):
            solve(image, checkpoint=tmp_path, **run)
    (tmp_path / FILE).unlink()
    os.mkfifo(tmp_path / FILE)  # would never answer
    with pytest.raises(OptionError, match="it is no plain file"):
        solve(image, checkpoint=tmp_path, **run)


FORGED = {
    "kind": lambda tree: tree["items"][0].__setitem__(1, {"is": "begun"}),
    "unknown": lambda tree: tree["items"][0].__setitem__(1, {"is": "x"}),
    "no kind": lambda tree: tree["items"][0].__setitem__(1, {}),
    "a text": lambda tree: tree.update(items="abc"),
    "float": lambda tree: tree["items"][0].__setitem__(1, {"is": "float", "text": "x"}),
    "strides": lambda tree: _state(tree)["items"]["x"].update(strides=[1, 1, 10**12, 1]),
    "rows": lambda tree: tree["items"].pop(),
    "class": lambda tree: _state(tree).update({"class": "os:system"}),
}


def _state(tree):
    return next(node for name, node in tree["items"] if name == "state")


@pytest.mark.parametrize("how", FORGED)
def test_a_sound_file_with_another_content_is_refused(image, tmp_path, how):
    """Whoever can write a file can compute its checksum."""
    run = {"prior": "tv:weight=8", "solver": "fista", "stop": "max-steps:steps=9", **KNOWN}
    cut(tmp_path, image, 4, **run)
    tensors, facts = sealed_tensors.read(tmp_path / FILE)
    FORGED[how](facts["tree"])
    sealed_tensors.write(tmp_path / FILE, tensors, facts)
    with pytest.raises(OptionError, match="does not fit this run: "):
        solve(image, checkpoint=tmp_path, **run)


def test_a_checkpoint_of_another_format_is_refused(image, tmp_path, monkeypatch):
    run = {"prior": "tv:weight=8", "solver": "fista", "stop": "max-steps:steps=9", **KNOWN}
    with monkeypatch.context() as old:
        old.setattr("invprior.checkpoint.checkpoint._FORMAT", "1")
        old.setattr("invprior.provenance.version_of", lambda name: "0.0.9")
        cut(tmp_path, image, 4, **run)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(
        OptionError, match=r"format 1, written by invprior 0\.0\.9;.*reads format 3"
    ):
        solve(image, checkpoint=tmp_path, **run)
    assert (tmp_path / FILE).read_bytes() == before


def test_the_folders_of_format_1_are_refused(image, tmp_path):
    """They are not passed over: the run would begin anew beside them."""
    run = {"prior": "tv:weight=8", "stop": "max-steps:steps=3", "checkpoint": tmp_path, **KNOWN}
    (tmp_path / "picture-1").mkdir()
    (tmp_path / "picture-1" / FILE).write_bytes(b"kept")
    with pytest.raises(OptionError, match=r"has format 1, which .* cannot read"):
        solve(torch.cat([image, image]), **run)
    assert (tmp_path / "picture-1" / FILE).read_bytes() == b"kept"


def test_a_kept_checkpoint_stays_in_the_folder_it_is_given(image, tmp_path):
    """The folder may get its name late: when the first part writes."""

    def make_folder():
        (tmp_path / "late").mkdir()
        return tmp_path / "late"

    checkpoint = Checkpoint(tmp_path / "early", 0, run="a", keep=True, make_folder=make_folder)
    (problem,) = build(image, prior=NOISY, **KNOWN)
    solve_problem(problem, stop=MaxSteps(steps=2), runs=2, checkpoint=checkpoint)
    assert [p.name for p in tmp_path.iterdir()] == ["late"]
    assert checkpoint.folder == tmp_path / "late"
    assert sorted(p.parent.name for p in tmp_path.rglob(FILE)) == ["run-1", "run-2"]


def test_a_batch_does_not_run_finished_images_again(image, tmp_path):
    run = {"prior": NOISY, "stop": "max-steps:steps=4", **KNOWN}
    three = torch.cat([image, image.flip(2), image.flip(3)])
    whole = solve(three, **run)
    calls = []

    def count(iterate):
        calls.append(iterate.step)
        if len(calls) == 6:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        solve(three, checkpoint=tmp_path, callbacks=[count], **run)
    seen = []
    rest = solve(three, checkpoint=tmp_path, callbacks=[seen.append], **run)
    assert [i.step for i in seen] == [3, 4, 1, 2, 3, 4]
    assert torch.equal(rest.x, whole.x)
    assert [p.stop for p in rest.images] == [p.stop for p in whole.images]
    assert [p.steps for p in rest.images] == [4, 4, 4]
    assert not tmp_path.exists()


def test_a_diverged_run_leaves_no_checkpoint(image, tmp_path):
    run = {"prior": "tikhonov", "solver": "fista:step_size=1e4,force=true", **KNOWN}
    with pytest.raises(DivergedError):
        solve(image, checkpoint=tmp_path / "c", checkpoint_every=0, **run)
    assert not (tmp_path / "c").exists()
    # Nor does a batch whose first image has ended well.
    zero = torch.zeros_like(image)
    with pytest.raises(DivergedError):
        solve(torch.cat([zero, image]), checkpoint=tmp_path / "c", checkpoint_every=0, **run)
    assert not (tmp_path / "c").exists()


def test_files_of_others_stay(image, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / f".{FILE}.0a1b2c3d.tmp").write_bytes(b"left by a killed writing")
    solve(
        image,
        prior="tv:weight=8",
        stop="max-steps:steps=3",
        checkpoint=tmp_path,
        checkpoint_every=0,
    )
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_place_that_cannot_be_made_is_told_before_the_run(image, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        MeasurementError, match=r"is a file\. Name another place for the checkpoint"
    ):
        solve(
            image,
            prior="tv:weight=8",
            stop="max-steps:steps=3",
            checkpoint=tmp_path / "file" / "c",
            **KNOWN,
        )


def test_a_place_that_vanishes_is_a_note(image, tmp_path):
    def spoil(now):
        if now.step == 1:
            (tmp_path / "c").write_text("")

    found = solve(
        image,
        prior="tv:weight=8",
        stop="max-steps:steps=3",
        checkpoint=Late(tmp_path / "c", 0.0),
        callbacks=[spoil],
        **KNOWN,
    )
    assert found.steps == 3
    assert any("no checkpoint: Cannot make the folder" in note for note in found.notes)


def test_files_of_another_run_are_not_used(image, tmp_path):
    """A new run of the command clears its folder; what it missed carries another identity."""
    (problem,) = build(image, prior=NOISY, **KNOWN)

    def run(name, steps, **more):
        checkpoint = Checkpoint(tmp_path / "c", 99, run=name, keep=True, **more)
        return solve_problem(problem, stop=MaxSteps(steps=steps), runs=2, checkpoint=checkpoint)

    whole = run("a", 3)
    run("b", 2)  # leaves finished parts
    found = run("c", 3, make_folder=lambda: tmp_path / "c")
    assert torch.equal(found.x, whole.x)
    run("d", 2)
    found = run("c", 3)
    assert torch.equal(found.x, whole.x)
    assert found.steps == whole.steps
    with pytest.raises(OptionError, match="belongs to a run of the command"):
        solve_problem(problem, runs=2, checkpoint=tmp_path / "c")


def test_a_finished_part_by_another_rule_is_run_again(image, tmp_path):
    run = {"prior": NOISY, **KNOWN}
    calls = []

    def count(iterate):
        calls.append(iterate.step)
        if len(calls) == 4:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        solve(image, runs=2, steps=3, checkpoint=tmp_path, callbacks=[count], **run)
    found = solve(image, runs=2, steps=5, checkpoint=tmp_path, **run)
    assert [member.steps for member in found.members] == [5, 5]
    assert torch.equal(found.x, solve(image, runs=2, steps=5, **run).x)


def test_fewer_steps_than_taken_are_refused(image, tmp_path):
    run = {"prior": NOISY, "checkpoint": tmp_path, **KNOWN}
    with pytest.raises(Interrupted):
        solve(image, steps=9, callbacks=[Cut(5)], **run)
    with pytest.raises(OptionError, match="must be at least 5, the steps that the unfinished run"):
        solve(image, steps=3, **run)


class Late(Checkpoint):
    """Due from the second step on."""

    waited = False

    def is_due(self):
        due, self.waited = self.waited, True
        return due


def test_one_runs_checkpoint_is_not_passed_over_by_several(image, tmp_path):
    run = {
        "prior": f"dip:{NET}",
        "stop": "max-steps:steps=9",
        "checkpoint": tmp_path / "c",
        **KNOWN,
    }
    with pytest.raises(Interrupted):
        solve(image, callbacks=[Cut(3)], **run)
    before = (tmp_path / "c" / FILE).read_bytes()
    with pytest.raises(OptionError, match="belongs to a single run of one image"):
        solve(image, runs=2, **run)
    with pytest.raises(OptionError, match="belongs to a single run of one image"):
        solve(torch.cat([image, image]), **run)
    assert (tmp_path / "c" / FILE).read_bytes() == before


def test_the_parts_of_several_runs_are_not_passed_over_by_one(image, tmp_path):
    run = {"prior": f"dip:{NET}", "steps": 5, "checkpoint": tmp_path / "c", **KNOWN}
    with pytest.raises(Interrupted):
        solve(image, runs=2, callbacks=[Cut(3)], **run)
    with pytest.raises(OptionError, match="belongs to a run of several parts"):
        solve(image, **run)
    assert (tmp_path / "c" / "run-1" / FILE).exists()
    assert solve(image, runs=1 + 1, **run).steps == 10
    assert not (tmp_path / "c").exists()


class Scaled(LinearOperator):
    """An operator whose tensor no option names."""

    def __init__(self, shape, scale):
        super().__init__(shape)
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, x):
        return self.scale * x


class Hidden(LinearOperator):
    """An operator that keeps an array outside parameters and buffers."""

    def __init__(self, shape, scale):
        super().__init__(shape)
        self.scales = {"all": np.array([scale])}

    def forward(self, x):
        return float(self.scales["all"][0]) * x


@pytest.mark.parametrize("kind", [Scaled, Hidden])
def test_an_operator_with_another_tensor_is_another_run(image, tmp_path, kind):
    def run(scale, **options):
        operator = kind(tuple(image.shape[1:]), scale)
        return solve(
            image,
            operator=operator,
            prior="tv:weight=8",
            stop="max-steps:steps=9",
            checkpoint=tmp_path / "c",
            **KNOWN,
            **options,
        )

    with pytest.raises(Interrupted):
        run(1.0, callbacks=[Cut(3)])
    with pytest.raises(OptionError, match="a tensor or a file of its operator"):
        run(2.0)
    assert run(1.0).steps == 9


@pytest.mark.parametrize("part", ["operator", "prior"])
def test_a_changed_file_of_a_part_is_another_run(image, tmp_path, part):
    """A kernel, which `blur` keeps beside its buffers, and the guide of a network inside a prior."""
    run = {"operator": f"blur:kernel={tmp_path / 'k.npy'}", "prior": "tv:weight=8"}
    values = np.ones((3, 3)) / 9
    if part == "prior":
        run = {"prior": f"dip:{NET},guide={tmp_path / 'k.npy'}"}
        values = np.full((16, 16), 0.5)
    run = {**run, "stop": "max-steps:steps=5", "checkpoint": tmp_path / "c", **KNOWN}
    np.save(tmp_path / "k.npy", values)
    with pytest.raises(Interrupted):
        solve(image, callbacks=[Cut(2)], **run)
    changed = values.copy()
    changed[0, 0] += 0.01
    np.save(tmp_path / "k.npy", changed)
    with pytest.raises(OptionError, match="a tensor or a file of its operator"):
        solve(image, **run)
    np.save(tmp_path / "k.npy", values)
    assert solve(image, **run).steps == 5


@pytest.mark.parametrize("every", [-1, "5", True, None])
def test_the_interval_is_checked(image, tmp_path, every):
    with pytest.raises(
        OptionError, match='"checkpoint_every" must be a number of seconds >= 0; got'
    ):
        solve(image, prior="tv:weight=8", checkpoint=tmp_path, checkpoint_every=every)


def test_writing_takes_a_twentieth_of_the_time_at_most(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(os, "fsync", lambda file: now.__setitem__(0, now[0] + 2.0))
    keeper = Checkpoint(tmp_path, every=5.0)
    now[0] = 5.0
    assert keeper.is_due()
    keeper.save({}, {})
    now[0] = 7.0 + 39.9
    assert not keeper.is_due()
    now[0] = 7.0 + 40.0
    assert keeper.is_due()


def test_solve_problem_takes_one_too(image, tmp_path):
    (problem,) = build(image, prior=NOISY, **KNOWN)
    with pytest.raises(Interrupted):
        solve_problem(problem, stop=None, callbacks=[Cut(2)], checkpoint=tmp_path)
    assert (tmp_path / FILE).exists()


@pytest.mark.parametrize(("times", "ended"), [(1, [True]), (2, [])])
def test_ctrl_c_waits_for_the_step_unless_it_is_pressed_twice(times, ended):
    order = []

    def step():
        with whole_steps():
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
            order.append(True)

    with pytest.raises(KeyboardInterrupt):
        step()
    assert order == ended
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_kill_9_at_any_moment_and_the_same_bits_at_the_end():
    """With checkpoint_every=0 most of the time is spent writing, so that is where most kills fall."""
    script = Path(__file__).parents[2] / "benchmarks" / "kill_solve.py"
    command = [sys.executable, str(script), "--kills", "4", "--only", "stack"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "0 faults" in done.stdout
