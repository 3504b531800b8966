"""The page in NiceGUI's own test client, which needs no browser."""

import asyncio
import json

import pytest

from invprior.errors import OptionError

pytest.importorskip("nicegui", reason="the extra ui is not installed")
pytestmark = pytest.mark.filterwarnings("default")  # those of another package


def test_a_sample_is_restored_by_two_priors_and_faults_are_told():
    from nicegui import ui
    from nicegui.testing.user_simulation import user_simulation

    from invprior.ui.page import Page

    async def use():
        pages = []

        def root():
            pages.append(Page())
            pages[0].build()

        async with user_simulation(root=root) as user:
            await user.open("/")
            (page,) = pages
            page.size.set_value(64)
            page.first.fields["weight"].set_value("5")
            assert page.first.text.value == "tv:weight=5"
            page.second.text.set_value("tikhonov:weight=60")
            page.steps.set_value("x")
            user.find("Restore").click()
            await user.should_see('The option "steps" must be an integer; got "x".')
            page.steps.set_value("3")
            user.find("Restore").click()
            for _ in range(600):
                if page.compared.visible:
                    break
                await asyncio.sleep(0.1)
            assert [run.state for run in page.runs] == ["done", "done"]
            assert list(page.left.options) == [
                "measurement",
                "truth",
                "tv:weight=5",
                "tikhonov:weight=60",
            ]
            assert (page.left.value, page.right.value) == ("tv:weight=5", "tikhonov:weight=60")
            assert page.restore.enabled
            assert [panel.state.text for panel in page.shown] == [run.message for run in page.runs]
            await user.should_see(kind=ui.code)
            assert json.loads(page.runs[0].record())["steps"] == 3
            page.first.text.set_value("tv:weigth=5")
            page.second.text.set_value("")
            user.find("Restore").click()
            await user.should_see('did you mean "weight"', retries=50)

    asyncio.run(use())


def test_a_port_that_is_not_free_is_refused():
    import socket

    from invprior.ui.server import serve

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        with pytest.raises(OptionError, match=f"{held.getsockname()[1]} is not"):
            serve(held.getsockname()[1], show=False)
