from .conftest import strict_json


def chosen(folder):
    found = strict_json((folder / "x.json").read_text())["choices"]
    return {what: (value, why) for what, value, why in found}


def test_what_was_chosen_is_told_with_its_reason(run, folder):
    run("degrade", "sample:camera:64", "--noise", "gaussian:sigma=0.1", "-o", "y.npy")
    out = run("solve", "y.npy", "--prior", "tv", "-o", "x.png", "--explain").stdout
    found = chosen(folder)
    assert list(found) == ["noise", "solver", "step size", "stop", "weight"]
    words = " ".join(out.split())
    for what, (value, why) in found.items():
        assert " ".join(f"{what} {value} because: {why}".split()) in words
    assert "largest curvature" in found["step size"][1]
    assert "Stops after a number of iterations." in found["stop"][1]


def test_what_was_given_was_not_chosen(run, folder):
    noise, prior = ("--noise", "gaussian:sigma=0.1"), ("--prior", "tv:weight=3")
    given = (*noise, *prior, "--solver", "fista", "--steps", "3", "-o", "x.png")
    run("solve", "sample:camera:32", *given)
    assert list(chosen(folder)) == ["step size"]


def test_a_network_says_that_it_stops_by_itself(run, folder):
    prior = "dip:net=skip(down=[4],skip=[0]),members=1,steps=5"
    run("solve", "sample:camera:64", "--prior", prior, "-o", "x.png")
    value, why = chosen(folder)["stop"]
    assert value.startswith("holdout:")
    assert why.startswith("Keeps some measurements out of the fit")


def test_without_the_option_the_table_is_not_printed(run, folder):
    out = run("solve", "sample:camera:32", "--prior", "tv", "-o", "x.png").stdout
    assert "because:" not in out
