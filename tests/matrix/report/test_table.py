import pytest

from invprior.matrix.report.table import Head, Table, latex, markdown, number, signed, text

TABLE = Table(
    key="one",
    title="50 % of A_1",
    head=(Head(text="method", numeric=False), Head(text="PSNR [dB]")),
    rows=(
        (text("a|b_*<c>"), number(30.0, "30.00 ± 1", best=True)),
        (text(r"x\y & {z}ᵀ"), number(None)),
    ),
    notes=("Over 2 pairs.",),
)


def test_markdown_escapes_and_marks_the_best():
    assert markdown(TABLE) == (
        "### 50 % of A\\_1\n\n"
        "| method | PSNR \\[dB\\] |\n"
        "| --- | ---: |\n"
        "| a\\|b\\_\\*\\<c\\> | **30.00 ± 1** |\n"
        "| x\\\\y & {z}ᵀ | – |\n\n"
        "Over 2 pairs.\n"
    )


def test_latex_escapes_and_marks_the_best():
    assert latex(TABLE).splitlines() == [
        r"\begin{table}",
        r"  \centering",
        r"  \caption{50 \% of A\_1. Over 2 pairs.}",
        r"  \label{tab:one}",
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        r"  \begin{tabular}{lr}",
        r"    \toprule",
        r"    method & PSNR [dB] \\",
        r"    \midrule",
        r"    a\textbar{}b\_*\textless{}c\textgreater{} & \textbf{30.00 $\pm$ 1} \\",
        r"    x\textbackslash{}y \& \{z\}$^\top$ & -- \\",
        r"    \bottomrule",
        r"  \end{tabular}}",
        r"\end{table}",
    ]


def test_latex_reads_no_name_as_an_option_of_the_line_break():
    table = Table(key="k", title="t", head=TABLE.head, rows=((text("[1] TV"), number(1.0)),))
    assert r"    {}[1] TV & 1.0 \\" in latex(table).splitlines()


@pytest.mark.parametrize(
    ("value", "shown"), [("-1.00 ± 2", "−1.00 ± 2"), ("0.50", "+0.50"), ("-0.00", "0.00")]
)
def test_signs(value, shown):
    assert signed(value) == shown
