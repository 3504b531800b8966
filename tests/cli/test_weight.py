"""`--weight` and `--weight-curve`: the rule, the summary and the plot."""

from PIL import Image

from tests.cli.conftest import strict_json

NOISE = ("--noise", "gaussian:sigma=0.1")


def test_the_rule_is_used_and_recorded(solve, y):
    record = strict_json(solve(y, *NOISE, "--weight", "gcv", "--json", prior="tikhonov").stdout)
    weights = record["provenance"]["weights"]
    assert (weights["rule"], weights["automatic"]) == ("gcv", True)
    assert len(weights["tried"]) == len(weights["values"]) >= 3
    assert record["provenance"]["prior"].startswith(f"tikhonov:weight={weights['terms'][0][1]}")
    assert record["tuning_seconds"] > 0


def test_the_summary_shows_the_chosen_weight(solve, y):
    out = solve(y, *NOISE, prior="tikhonov").stdout
    assert "weight" in out
    assert "(by sure, " in out
    assert "(by " not in solve(y, *NOISE, prior="tikhonov:weight=9").stdout


def test_the_curve_is_plotted_beside_the_restoration(solve, y, folder):
    solve(y, *NOISE, "--weight-curve", "-o", "x.png", prior="tikhonov + tv")
    with Image.open(folder / "x-weight-curve.png") as plot:
        assert plot.format == "PNG"
        assert min(plot.size) > 400
    record = strict_json((folder / "x.json").read_text())
    assert record["files"]["curve"] == "x-weight-curve.png"


def test_a_plot_without_a_choice_is_refused(refused, y):
    for options in (["tv:weight=3"], ["tv", "--weight", "default"], ["dip + tv"]):
        message = refused("solve", y, "--weight-curve", "--prior", *options)
        words = " ".join(message.split())
        assert "--weight-curve needs a prior whose weight is chosen automatically" in words


def test_a_rule_that_does_not_fit_is_refused(refused, y):
    message = " ".join(refused("solve", y, "--prior", "pnp", "--weight", "l-curve").split())
    assert "pnp has only a prox. Use sure (--weight sure)." in message
    assert 'did you mean "sure"' in refused("solve", y, "--prior", "tv", "--weight", "sur")
