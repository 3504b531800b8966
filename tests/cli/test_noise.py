"""`--noise`: named, left open, or given."""

from tests.cli.conftest import strict_json


def estimate_of(result):
    return strict_json(result.stdout)["provenance"]["noise_estimate"]


def test_auto_is_the_same_as_no_option(run, solve, folder):
    run("degrade", "sample:coffee:64", "--noise", "gaussian:sigma=0.1", "-o", "y.npy")
    left_out, auto, named = (
        solve("y.npy", *option, "--json", "-o", name)
        for name, option in (
            ("a.npy", ()),
            ("b.npy", ("--noise", "auto")),
            ("c.npy", ("--noise", "gaussian")),
        )
    )
    assert (folder / "a.npy").read_bytes() == (folder / "b.npy").read_bytes()
    assert estimate_of(auto) == estimate_of(left_out) == estimate_of(named)
    assert abs(estimate_of(auto)["sigma"] / 0.1 - 1) < 0.1


def test_the_summary_shows_the_uncertainty(run, solve):
    run("degrade", "sample:coffee:64", "--noise", "poisson:peak=60", "-o", "y.npy")
    output = solve("y.npy", "--noise", "poisson").stdout
    assert "noise     peak " in output
    assert "% (estimated)" in output
    assert "(estimated)" not in solve("y.npy", "--noise", "gaussian:sigma=0.1").stdout


def test_a_simulation_uses_and_records_the_default_level(solve):
    record = strict_json(solve("sample:coffee:32", "--noise", "poisson", "--json").stdout)
    assert record["simulated_noise"] == "poisson:peak=255.0,offset=0.0"
    record = strict_json(solve("sample:coffee:32", "--noise", "auto", "--json").stdout)
    assert record["simulated_noise"].startswith("gaussian:sigma=0.098")


def test_an_unreliable_estimate_is_noted(solve, y):
    result = solve(y, "--json", "-o", "x.png")
    assert "Note: the estimate of the noise, sigma" in result.stderr
    (note,) = strict_json(result.stdout)["notes"]
    assert "is unreliable" in note
