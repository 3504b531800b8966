import random
import re

import pytest

from invprior.errors import MeasurementError, OptionError
from invprior.matrix.config import specs
from invprior.matrix.config.matrix import builtin_names, parse, read

LEAST = 'images = ["sample:camera:16"]\npriors = ["tv"]\n'


def faults(text):
    with pytest.raises(OptionError) as error:
        parse("mine", text)
    return str(error.value)


def test_what_is_not_given_has_a_default():
    matrix = parse("mine", LEAST)
    assert (matrix.operators, matrix.solvers, matrix.seeds) == (("denoise",), ("auto",), (0,))
    assert matrix.metrics == ("psnr", "ssim")
    assert matrix.methods[0].label == "tv"
    assert matrix.methods[0].weights == "automatic"


def test_all_faults_are_reported_at_once():
    message = faults(
        """
        image = ["x"]
        operators = ["blurr:sigma=2", "blur:sigm=2"]
        priors = ["tvv", {prior = "tv", lable = "x"}, {simple = "bicubik"}, {prior = "tv", denoiser = "nlm"}]
        seeds = [1, 1, "x"]
        metrics = ["psnr:lumma=true"]
        [limits]
        second = 3
        memory = "lots"
        [[exclude]]
        operator = "blrr*"
        """
    )
    for part in (
        'key "images" of the matrix mine must be given',
        'no key "image" (did you mean "images"?)',
        'Unknown operator "blurr" (did you mean "blur"?)',
        'blur has no option "sigm" (did you mean "sigma"?)',
        'Unknown prior "tvv" (did you mean "tv"?)',
        'priors[2] has no key "lable" (did you mean "label"?)',
        '(did you mean "bicubic"?)',
        "priors[4] must have one of prior, denoiser and simple; got prior and denoiser",
        "has 1 twice",
        "must be a list of integers; got 'x'",
        'psnr has no option "lumma" (did you mean "luma"?)',
        '[limits] has no key "second" (did you mean "seconds"?)',
        'must be a size such as "4GB"',
        'The exclude operator = "blrr*" matches nothing',
    ):
        assert part in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("images = [", "is not valid TOML"),
        (LEAST + 'operators = []\n', "at least one string"),
        (LEAST + "[tuning]\nbudget = 1\n", ">= 2"),
        (LEAST.replace('"tv"', '"tv", {prior = "tv:weight=2", label = "tv"}'), "have the label"),
        (LEAST.replace('"tv"', '{prior = "tv", weights = "tuned"}'), r"\[tuning\] must name images"),
        (LEAST.replace('"tv"', '{prior = "tv", weights = "gcvv"}'), 'did you mean "gcv"'),
        (LEAST.replace('"tv"', '{denoiser = "nlm", steps = 3}'), "would have no effect"),
        (LEAST + '[tuning]\nimages = ["sample:camera:16"]\n', "must not be tested"),
        (LEAST + "[protocol]\nborder = [1, -2]\n", "two integers >= 0"),
        (LEAST + '[protocol]\nmasked = "a"\nmeasurement = "b"\n', "at most one"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(text, message):
    with pytest.raises(OptionError, match=message):
        parse("mine", text)


def test_a_package_that_is_not_there_is_no_fault():
    matrix = parse("mine", LEAST.replace('"tv"', '"nobody/tv", "pnp:denoiser=nobody/nlm"'))
    assert [m.label for m in matrix.methods] == ["nobody/tv", "pnp:denoiser=nobody/nlm"]


def test_a_broken_package_is_no_fault(hostile):
    assert parse("mine", LEAST.replace('"tv"', '"torn/torn"')).methods[0].prior == "torn/torn"


@pytest.mark.parametrize("name", builtin_names())
def test_the_builtin_matrices_have_no_fault_and_no_deprecated_word(name):
    assert parse(*read(name)).notes == ()


def test_quick_has_four_operators_and_six_priors():
    matrix = parse(*read("quick"))
    assert len(matrix.operators) >= 4
    assert len([m for m in matrix.methods if m.prior]) >= 6
    assert all(image.startswith("sample:") for image in matrix.images)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(MeasurementError, match=r'did you mean "quick".*paper-denoising'):
        read("quik")


def test_a_pattern_matches_as_its_regular_expression_does():
    draw = random.Random(0)
    for _ in range(2000):
        pattern = "".join(draw.choices("ab*", k=draw.randrange(6)))
        text = "".join(draw.choices("ab", k=draw.randrange(6)))
        expected = re.fullmatch(pattern.replace("*", ".*"), text) is not None
        assert specs.matches(pattern, text) is expected, (pattern, text)
