"""`invprior solve --explain`, and the choices in the record."""

from .conftest import strict_json


def chosen(folder):
    found = strict_json((folder / "x.json").read_text())["choices"]
    return {what: (value, why) for what, value, why in found}


def test_choices_are_explained_with_their_reasons(run, folder):
    run("degrade", "sample:camera:64", "--noise", "gaussian:sigma=0.1", "-o", "y.npy")
    out = run("solve", "y.npy", "--prior", "tv", "-o", "x.png", "--explain").stdout
    found = chosen(folder)
    assert list(found) == ["noise", "range", "solver", "step size", "stop", "weight"]
    words = " ".join(out.split())
    for what, (value, why) in found.items():
        assert " ".join(f"{what} {value} because: {why}".split()) in words
    assert "Lipschitz constant" in found["step size"][1]
    assert "Stops after a number of iterations." in found["stop"][1]


def test_what_the_user_gave_is_no_choice(run, folder):
    noise, prior = ("--noise", "gaussian:sigma=0.1"), ("--prior", "tv:weight=3")
    given = (*noise, *prior, "--solver", "fista", "--stop", "max-steps:steps=3", "-o", "x.png")
    run("solve", "sample:camera:32", *given)
    assert list(chosen(folder)) == ["step size"]


def test_the_default_stop_of_a_network_is_explained(run, folder):
    prior = "dip:net=skip(down=[4],skip=[0]),members=1,steps=5"
    run("solve", "sample:camera:64", "--prior", prior, "-o", "x.png")
    value, why = chosen(folder)["stop"]
    assert value.startswith("holdout:")
    assert why.startswith("Keeps some measurements out of the fit")


def test_without_the_option_no_table_is_printed(run, folder):
    out = run("solve", "sample:camera:32", "--prior", "tv", "-o", "x.png").stdout
    assert "because:" not in out
