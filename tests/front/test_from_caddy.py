"""docs/from-caddy.md: its Caddyfile and its SQL do what the page says, on the tables of a recipe."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from harness.front.fronts import Place, fronting
from harness.front.tls import Certificate
from harness.front.visitor import JSON, Visitor
from harness.site.curl import Curl
from harness.site.gateways import StartGateway

from app.devstack import Database, DevStack, PostgrestOptions, Programs, execute
from app.devstack.database import run_now
from app.operator.migrations import migrate

RECIPE = Path(__file__).with_name("recipe.sql")
PAGE = (Path(__file__).parents[2] / "docs/from-caddy.md").read_text(encoding="utf-8")
CREATE_LOGIN, RESET_SECRET, MOVE_ASIDE, MOVE_USERS, MOVE_SESSIONS, MOVE_BACK = (
    block for _, block in re.findall(r"^( *)```sql\n(.*?)^\1```", PAGE, re.DOTALL | re.MULTILINE)
)
CADDYFILE, HAND_OVER = re.findall(r"^```caddyfile\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
JWTAUTH = re.compile(r"\t\tjwtauth @private \{\n.*?\n\t\t\}\n", re.DOTALL)
AUTH = (*JSON, "-H", "Content-Profile: auth")
LOGIN = ("-d", '{"user_":"demo","pass":"demo"}')


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory,
    programs: Programs,
    environ: Mapping[str, str],
    cluster_template: Path,
) -> Iterator[DevStack]:
    """A cluster whose databases come with the recipe, and the page's login for the gateway."""

    async def load(dsn: str) -> None:
        await execute(dsn, RECIPE.read_text())

    with DevStack(
        tmp_path_factory.mktemp("recipe"),
        programs,
        environ=environ,
        prepare=load,
        options=lambda secret: PostgrestOptions(secret, schemas=("api", "auth"), listen="tcp"),
        template=cluster_template,
        durable=False,
        keep=False,
    ) as running:
        running.database.execute(CREATE_LOGIN)
        yield running


@dataclass(frozen=True)
class Move:
    """Somebody's database, on its way from one to the other."""

    cluster: DevStack
    database: Database
    caddy: Callable[..., AbstractContextManager[Visitor]]
    postgate: Callable[[], AbstractContextManager[Curl]]

    def run(self, block: str) -> None:
        """SQL of the page, where the database is called app."""
        self.database.execute(block.replace("database app", f'database "{self.database.name}"'))

    def take_second_step(self) -> None:
        self.run(MOVE_ASIDE)
        run_now(migrate(self.database.owner_dsn))
        self.run(MOVE_USERS)

    def hash_of(self, name: str) -> str:
        (row,) = self.database.fetch("select password from auth.user where username = $1", name)
        return str(row[0])


@pytest.fixture
def move(
    cluster: DevStack, start_gateway: StartGateway, certificate: Certificate, tmp_path: Path
) -> Iterator[Move]:
    with cluster.fresh_database() as database:
        database.execute(f"alter database \"{database.name}\" set pgrst.jwt_secret = '{cluster.jwt_secret}'")

        @contextmanager
        def caddy(
            text: str = CADDYFILE, *, gateway: str = "", options: PostgrestOptions | None = None
        ) -> Iterator[Visitor]:
            """The page's Caddyfile without the plugin, which Debian has not: PostgREST checks as well."""
            postgrest = cluster.start_postgrest(options, database=database)
            behind = {
                ":80 {": "app.example {",
                "postgrest:3000": postgrest.url.removeprefix("http://"),
                "gateway:8000": gateway,
            }
            folder = tmp_path / f"caddy{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            with fronting("caddy", JWTAUTH.sub("", text), behind, Place(folder, certificate)) as front:
                yield Visitor(front, folder / "visitor")
            postgrest.stop()

        @contextmanager
        def postgate() -> Iterator[Curl]:
            postgrest = cluster.start_postgrest(database=database)
            settings = {
                "POSTGATE_DATABASE_URL": database.gateway_dsn,
                "POSTGATE_POSTGREST_URL": postgrest.url,
                "POSTGATE_JWT_SECRET": cluster.jwt_secret,
            }
            assert set(re.findall(r"^      (POSTGATE_\w+):", PAGE, re.MULTILINE)) == set(settings)
            with start_gateway(settings) as gateway:
                yield Curl(gateway.url, tmp_path / "postgate")
            postgrest.stop()

        yield Move(cluster, database, caddy, postgate)


def carry(one: Curl, to: Curl) -> None:
    """The cookies of a browser that goes from one to the other at the same host."""
    to._cookies = dict(one._cookies)


def titles(visitor: Curl, target: str = "/rest/todo") -> list[str]:
    answer = visitor(target)
    assert answer.status == 200, answer
    return [row["title"] for row in json.loads(answer.body)]


class TestTheFirstStep:
    def test_a_session_goes_on_whichever_of_the_two_it_began_at(self, move: Move) -> None:
        with move.caddy() as before, move.postgate() as after:
            assert before("/rpc/login", *AUTH, *LOGIN).status == 204
            assert titles(before) == ["move"]
            carry(before, after)
            assert titles(after) == ["move"]
            assert after("/rpc/refresh_token", "-X", "POST").status == 204
            carry(after, before)
            assert titles(before) == ["move"]
            assert before("/rpc/refresh_token", *AUTH, "-X", "POST").status == 204

    def test_a_login_works_as_before_and_without_the_header_too(self, move: Move) -> None:
        with move.postgate() as after:
            for fields in (AUTH, JSON):
                answer = after("/rpc/login", *fields, *LOGIN)
                assert answer.status == 204
                assert len(answer.set_cookies) == 2
                assert all("; SameSite=Lax" in cookie for cookie in answer.set_cookies)
            assert after("/rpc/login", *AUTH, "-d", '{"user_":"demo","pass":"no"}').status == 401

    def test_a_logout_leaves_no_refresh_cookie(self, move: Move) -> None:
        with move.caddy() as before, move.postgate() as after:
            assert before("/rpc/login", *AUTH, *LOGIN).status == 204
            carry(before, after)
            assert before("/rpc/logout", *AUTH, "-X", "POST").status == 204
            assert set(before.jar) == {"refresh_token"}
            assert after("/rpc/logout", "-X", "POST").status == 204
            assert not after.jar

    def test_the_secret_may_leave_the_database(self, move: Move) -> None:
        move.run(RESET_SECRET)
        with move.postgate() as after:
            assert after("/rpc/login", *AUTH, *LOGIN).status == 204
            assert titles(after) == ["move"]
        with move.caddy() as before:
            assert before("/rpc/login", *AUTH, *LOGIN).status == 400

    def test_caddy_can_hand_a_part_over(self, move: Move) -> None:
        with move.postgate() as after:
            begin = CADDYFILE.index("route {\n") + len("route {\n")
            text = CADDYFILE[:begin] + HAND_OVER + CADDYFILE[begin:]
            with move.caddy(text, gateway=after._url.removeprefix("http://")) as both:
                assert both("/rpc/login", *AUTH, *LOGIN).status == 204
                assert not both("/rest/todo").values("x-request-id")
                both.keep("try_postgate=1; Path=/")
                assert titles(both) == ["move"]
                assert both("/rest/todo").value("x-request-id")


class TestTheSecondStep:
    def test_passwords_stay_and_are_hashed_anew_at_the_next_login(self, move: Move) -> None:
        move.take_second_step()
        assert move.hash_of("demo").startswith("$2a$06$")
        with move.postgate() as after:
            assert after("/rpc/login", *JSON, *LOGIN).status == 204
            assert titles(after) == ["move"]
        assert move.hash_of("demo").startswith("$2a$12$")
        assert move.hash_of("alice").startswith("$2a$06$")

    def test_sessions_stay_and_are_renewed_by_themselves_after_one_more_refresh(self, move: Move) -> None:
        with move.caddy() as before:
            assert before("/rpc/login", *AUTH, *LOGIN).status == 204
        move.take_second_step()
        move.run(MOVE_SESSIONS)
        with move.postgate() as after:
            carry(before, after)
            assert titles(after) == ["move"], "with the access token of before"
            after.keep("access_token=; Path=/; Max-Age=0")
            assert after("/rest/todo").status == 401
            for _ in range(3):  # the first one replaces the old cookie, which has a path of its own
                assert after("/rpc/refresh_token", "-X", "POST").status == 204
                assert titles(after) == ["move"]
            after.keep("access_token=; Path=/; Max-Age=0")
            assert titles(after) == ["move"]
            assert after("/rpc/logout", "-X", "POST").status == 204
            assert not after.jar

    def test_without_the_sessions_everybody_signs_in_once_more(self, move: Move) -> None:
        with move.caddy() as before:
            assert before("/rpc/login", *AUTH, *LOGIN).status == 204
        move.take_second_step()
        with move.postgate() as after:
            carry(before, after)
            assert after("/rpc/refresh_token", "-X", "POST").status == 401

    def test_the_old_functions_are_out_of_reach(self, move: Move) -> None:
        move.take_second_step()
        (row,) = move.database.fetch("select has_schema_privilege('anon', 'auth_old', 'usage')")
        assert row[0] is False


class TestBack:
    def test_with_the_new_sql_sessions_go_on(self, move: Move) -> None:
        move.take_second_step()
        with move.postgate() as after:
            assert after("/rpc/login", *JSON, *LOGIN).status == 204
        lines = dict(re.findall(r"^  PGRST_APP_SETTINGS_(\w+): (.*)$", PAGE, re.MULTILINE))
        assert set(lines) == {"JWT_SECRET", "JWT_SECRET_IS_BASE64"}
        told = {"jwt_secret": move.cluster.jwt_secret, "jwt_secret_is_base64": "true"}
        with move.caddy(options=replace(move.cluster.options, app_settings=told)) as before:
            carry(after, before)
            assert titles(before) == ["move"]
            assert before("/rpc/refresh_token", *AUTH, "-X", "POST").status == 204
            assert titles(before) == ["move"]

    def test_with_the_old_sql_everything_is_as_it_was(self, move: Move) -> None:
        with move.caddy() as before:
            assert before("/rpc/login", *AUTH, *LOGIN).status == 204
        move.take_second_step()
        move.run(MOVE_BACK)
        with move.caddy() as again:
            carry(before, again)
            assert again("/rpc/refresh_token", *AUTH, "-X", "POST").status == 204
            assert titles(again) == ["move"]
            assert again("/rpc/login", *AUTH, *LOGIN).status == 204
