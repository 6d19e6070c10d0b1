"""A field of the settings says whether it is reloaded, and the running parts read it again."""

from typing import Any

import pytest
from harness.relay.gateway import settings_for
from typing_extensions import override

from app.main import create_app
from app.settings import RELOADABLE, Settings, variable
from app.wiring.reloading import changed, merged

URL = "http://127.0.0.1:1"


class Noting(Settings):
    """Settings that note which of their fields are read."""

    @override
    def __getattribute__(self, name: str) -> Any:
        if name in RELOADABLE:
            READ.add(name)
        return super().__getattribute__(name)


READ: set[str] = set()


@pytest.mark.anyio
async def test_the_running_parts_read_every_reloadable_field_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = settings_for(URL)
    noting = Noting(**{name: getattr(first, name) for name in Settings.model_fields})
    service = create_app(first, observer=lambda _: None)
    monkeypatch.setattr("app.wiring.reloading.merged", lambda _, new: new)
    monkeypatch.setattr("app.wiring.reloading.changed", lambda _, __: ())
    READ.clear()

    service.reload(lambda: noting)

    assert set(RELOADABLE) - READ == set()


def test_only_marked_fields_are_taken_from_new_settings() -> None:
    first = settings_for(URL)
    new = settings_for(
        URL, login_limit_pair="1/minute", hsts="off", access_cookie="other", database_connections=9
    )
    settings = merged(first, new)

    assert set(changed(first, settings)) == {variable("login_limit_pair"), variable("hsts")}
    assert set(changed(settings, new)) == {variable("access_cookie"), variable("database_connections")}
