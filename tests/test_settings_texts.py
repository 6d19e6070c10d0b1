"""What editors, shells and platforms do to settings: taken off where it is clear, else refused by name."""

import codecs
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import Settings, SettingsInvalid, ignored_variables, load_owner_url, load_settings
from app.settings.texts import clean

SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
REQUIRED = {"POSTGATE_DATABASE_URL": "postgresql://gateway:hunter2@db/app", "POSTGATE_JWT_SECRET": SECRET}
AUDIENCE = "hunter2"
KEY_SET = '{"keys": [\n\t{"kty": "oct", "k": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}\n]}'


def read(changes: Mapping[str, str]) -> Settings:
    return load_settings({**REQUIRED, **changes})


def problems(changes: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsInvalid) as invalid:
        read(changes)
    assert AUDIENCE not in str(invalid.value)
    return invalid.value.problems


# --- encodings, line ends, blanks

FILES: dict[str, Callable[[str], bytes]] = {
    "UTF-8": str.encode,
    "a line end": lambda text: text.encode() + b"\n",
    "line ends of Windows": lambda text: text.encode() + b"\r\n\r\n",
    "blanks": lambda text: b" " + text.encode() + b" \t\n",
    "UTF-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode() + b"\r\n",
    "PowerShell's >": lambda text: codecs.BOM_UTF16_LE + (text + "\r\n").encode("utf-16-le"),
    "UTF-16, the other way round": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-32": lambda text: codecs.BOM_UTF32_LE + text.encode("utf-32-le"),
}


@pytest.mark.parametrize("form", FILES)
def test_a_file_is_read_whatever_its_editor_made_of_it(form: str, tmp_path: Path) -> None:
    (tmp_path / "audience").write_bytes(FILES[form](AUDIENCE))
    for path in (f"{tmp_path}/audience", f" {tmp_path}/audience\r"):
        assert read({"POSTGATE_JWT_AUDIENCE_FILE": path}).jwt_audience == AUDIENCE


@pytest.mark.parametrize("form", FILES)
def test_so_is_the_file_of_a_url_for_the_verbs_that_need_no_more(form: str, tmp_path: Path) -> None:
    url = "postgresql://owner@db/app"
    (tmp_path / "url").write_bytes(FILES[form](url))
    assert load_owner_url({"POSTGATE_OWNER_DATABASE_URL_FILE": f"{tmp_path}/url"}) == url


@pytest.mark.parametrize("text", ["\ufeff8000", "8000\r", " 8000 ", "8000\n", "\t8000"])
def test_a_variable_is_freed_from_marks_and_blanks(text: str) -> None:
    assert read({"POSTGATE_PORT": text, "POSTGATE_ADMIN_PORT": "1"}).port == 8000


def test_the_lines_of_a_key_set_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(KEY_SET)
    assert len(read({"POSTGATE_JWT_SECRET": KEY_SET}).jwt_keys) == 1
    environ = {"POSTGATE_JWT_SECRET": "", "POSTGATE_JWT_SECRET_FILE": f"{tmp_path}/keys"}
    assert read(environ).jwt_keys == read({}).jwt_keys


@pytest.mark.parametrize("text", [" a plain text secret of 32 bytes!", "a plain text secret of 32 bytes!\n"])
def test_a_blank_at_the_end_of_a_text_secret_is_refused_as_it_may_be_meant(text: str) -> None:
    environ = {"POSTGATE_JWT_SECRET": text, "POSTGATE_JWT_SECRET_IS_BASE64": "false"}
    [problem] = problems(environ)
    assert problem.startswith("POSTGATE_JWT_SECRET begins or ends with a blank")


# --- characters that are refused

CHARACTERS = {
    "\u00a0": "NO-BREAK SPACE (U+00A0)",
    "\u200b": "ZERO WIDTH SPACE (U+200B)",
    "\u200d": "ZERO WIDTH JOINER (U+200D)",
    "\u2060": "WORD JOINER (U+2060)",
    "\ufeff": "ZERO WIDTH NO-BREAK SPACE (U+FEFF)",
    "\u00ad": "SOFT HYPHEN (U+00AD)",
    "\u202e": "RIGHT-TO-LEFT OVERRIDE (U+202E)",
    "\u2028": "LINE SEPARATOR (U+2028)",
    "\u3000": "IDEOGRAPHIC SPACE (U+3000)",
    "\x1b": "U+001B",
    "\x7f": "U+007F",
}


@pytest.mark.parametrize("character", CHARACTERS, ids=ascii)
@pytest.mark.parametrize("place", ["{}hunter2", "hun{}ter2", "hunter2{}"])
def test_an_invisible_character_is_refused_by_its_name(character: str, place: str) -> None:
    fields = ["JWT_AUDIENCE", "JWT_SECRET", "DATABASE_URL", "ROUTES"]
    if (character, place) == ("\ufeff", "{}hunter2"):
        return  # the mark of an encoding, which is taken off
    found = problems({f"POSTGATE_{field}": place.format(character) for field in fields})
    told = f"has an invisible character: {CHARACTERS[character]}"
    assert found == [f"POSTGATE_{field} {told}" for field in sorted(fields)]


@given(st.characters(categories=["Cf", "Cc", "Zl", "Zp", "Zs", "Cs"], exclude_characters=" \n\r\t\ufeff"))
def test_any_invisible_character_is_refused(character: str) -> None:
    for text in (f"a{character}b", f"{character}b", f"a{character}"):
        with pytest.raises(ValueError, match=r"has an invisible character|is not UTF-8"):
            clean(text, "POSTGATE_X")


@given(st.text(st.characters(categories=["L", "M", "N", "Sm", "So"]), min_size=1))
def test_visible_text_of_any_language_is_left_as_it_is(text: str) -> None:
    assert clean(text, "POSTGATE_X") == text
    assert all(unicodedata.category(character)[0] in "LMNS" for character in text)


QUOTED = {
    '"hunter2"': "is between quotation marks, which are not removed here: QUOTATION MARK (U+0022)",
    "'hunter2'": "is between quotation marks, which are not removed here: APOSTROPHE (U+0027)",
    "`hunter2`": "is between quotation marks, which are not removed here: GRAVE ACCENT (U+0060)",
    "\u201chunter2\u201d": "begins or ends with a quotation mark: LEFT DOUBLE QUOTATION MARK (U+201C)",
    "hunter2\u2019": "begins or ends with a quotation mark: RIGHT SINGLE QUOTATION MARK (U+2019)",
    "\u201ehunter2": "begins or ends with a quotation mark: DOUBLE LOW-9 QUOTATION MARK (U+201E)",
}


@pytest.mark.parametrize(("text", "expected"), QUOTED.items())
def test_quotation_marks_round_a_value_are_refused_by_name(text: str, expected: str) -> None:
    fields = ["DATABASE_URL", "JWT_AUDIENCE", "JWT_SECRET", "JWT_SECRET_IS_BASE64", "PORT"]
    found = problems({f"POSTGATE_{field}": text for field in fields})
    assert found == [f"POSTGATE_{field} {expected}" for field in fields]


def test_bytes_that_are_no_text_are_refused() -> None:
    assert problems({"POSTGATE_JWT_AUDIENCE": "caf\udce9"}) == ["POSTGATE_JWT_AUDIENCE is not UTF-8"]


def test_what_is_refused_is_not_missed_as_well() -> None:
    assert problems({"POSTGATE_JWT_SECRET": '"x"', "POSTGATE_DATABASE_URL": "\u200b"}) == [
        "POSTGATE_DATABASE_URL has an invisible character: ZERO WIDTH SPACE (U+200B)",
        "POSTGATE_JWT_SECRET " + QUOTED['"hunter2"'],
    ]


# --- lines of files for shells

LINES = [f"POSTGATE_JWT_AUDIENCE={AUDIENCE}", f"export POSTGATE_JWT_AUDIENCE={AUDIENCE}"]


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_sets_a_variable_is_not_its_value(line: str, tmp_path: Path) -> None:
    (tmp_path / "audience").write_text(line)
    [problem] = problems({"POSTGATE_JWT_AUDIENCE_FILE": f"{tmp_path}/audience"})
    assert problem == "POSTGATE_JWT_AUDIENCE_FILE contains its own name: write only the value"
    [problem] = problems({"POSTGATE_JWT_AUDIENCE": line})
    assert problem == "POSTGATE_JWT_AUDIENCE contains its own name: write only the value"


@pytest.mark.parametrize(
    "name",
    [
        "\ufeffPOSTGATE_PORT",
        "POSTGATE_PORT ",
        "POSTGATE_PORT\r",
        "POSTGATE_\u200bPORT",
        "\u00a0POSTGATE_PORT",
    ],
    ids=ascii,
)
def test_a_name_with_a_character_too_many_is_told(name: str) -> None:
    assert problems({name: "8000"}) == [
        "POSTGATE_PORT has an invalid character in its name, which may be invisible"
    ]


def test_a_name_with_export_in_it_is_told() -> None:
    [problem] = problems({"export POSTGATE_PORT": "8000"})
    assert problem == ("POSTGATE_PORT has `export` in its name, which is for shells: write POSTGATE_PORT=...")


@pytest.mark.parametrize("name", ["POSTGATED", "MY_POSTGATE_PORT", "export", "exportPOSTGATE", "PATH "])
def test_names_of_others_are_not_looked_at(name: str) -> None:
    assert read({name: "x"}) == read({})


# --- numbers and truth

WHOLE = [name for name, field in Settings.model_fields.items() if field.annotation is int] + [
    "postgrest_pool"
]
SECONDS = [name for name, field in Settings.model_fields.items() if field.annotation is float]


@pytest.mark.parametrize(
    "text", ["1_000", "8000.0", "1e3", "0x10", "+5", "\u0663", "\uff18", "1 000", "1,000", "x"]
)
def test_a_whole_number_has_digits_alone(text: str) -> None:
    found = problems({f"POSTGATE_{field.upper()}": text for field in WHOLE})
    told = "is not a whole number in digits"
    assert found == sorted(f"POSTGATE_{field.upper()} {told}" for field in WHOLE)


@pytest.mark.parametrize("text", ["1_0", "1e1", "inf", "nan", "1,5", "5s", "\u0663", ".5", "5.", "0x1"])
def test_seconds_have_digits_and_perhaps_a_fraction(text: str) -> None:
    found = problems({f"POSTGATE_{field.upper()}": text for field in SECONDS})
    told = "is not a number such as 10 or 0.5"
    assert found == sorted(f"POSTGATE_{field.upper()} {told}" for field in SECONDS)


def test_a_fraction_of_seconds_is_taken() -> None:
    assert read({"POSTGATE_IDLE_SECONDS": " 0.5 "}).idle_seconds == 0.5


@pytest.mark.parametrize("text", ["-1", "0", "99999999999999999"])
def test_a_number_out_of_bounds_is_told_as_one(text: str) -> None:
    [problem] = problems({"POSTGATE_WORKERS": text})
    assert problem.startswith("POSTGATE_WORKERS is wrong: input should be")


@pytest.mark.parametrize("text", ["true", "True", "TRUE", " yes ", "on", "1"])
def test_truth_has_several_spellings(text: str) -> None:
    assert read({"POSTGATE_LOG_REQUESTS": text}).log_requests


@pytest.mark.parametrize("text", ["2", "ja", "enabled", "true false"])
def test_other_words_are_no_truth(text: str) -> None:
    assert len(problems({"POSTGATE_LOG_REQUESTS": text})) == 1


# --- what platforms put beside settings

KUBERNETES = {  # of a Service with one port
    "POSTGATE_PORT": "tcp://10.96.0.12:8000",
    "POSTGATE_PORT_8000_TCP": "tcp://10.96.0.12:8000",
    "POSTGATE_PORT_8000_TCP_ADDR": "10.96.0.12",
    "POSTGATE_PORT_8000_TCP_PORT": "8000",
    "POSTGATE_PORT_8000_TCP_PROTO": "tcp",
    "POSTGATE_SERVICE_HOST": "10.96.0.12",
    "POSTGATE_SERVICE_PORT": "8000",
}
INJECTED = {
    "Kubernetes": KUBERNETES,
    "Kubernetes, IPv6": {
        "POSTGATE_PORT": "tcp://[fd00::1]:8000",
        "POSTGATE_PORT_8000_TCP_ADDR": "fd00::1",
        "POSTGATE_SERVICE_HOST": "fd00::1",
    },
    "Kubernetes, named ports and other protocols": {
        "POSTGATE_SERVICE_PORT_HTTP": "80",
        "POSTGATE_SERVICE_PORT_HTTP_ADMIN": "8001",
        "POSTGATE_PORT_53_UDP": "udp://10.96.0.12:53",
        "POSTGATE_PORT_53_UDP_PROTO": "udp",
        "POSTGATE_PORT_132_SCTP": "sctp://10.96.0.12:132",
        "POSTGATE_PORT_132_SCTP_PROTO": "sctp",
    },
    "Services whose names begin likewise": {
        name.replace("POSTGATE_", f"POSTGATE_{other}_", 1): value
        for other in ("ADMIN", "HOST", "SERVICE", "POSTGREST", "UPSTREAM_QUEUE", "A_PORT", "JWT")
        for name, value in KUBERNETES.items()
    },
    "Docker's links": {
        "POSTGATE_NAME": "/web/postgate",
        "POSTGATE_PORT": "tcp://172.17.0.5:8000",
        "POSTGATE_PORT_8000_TCP_START": "tcp://172.17.0.5:8000",
        "POSTGATE_PORT_8000_TCP_PORT_END": "8001",
        "POSTGATE_ENV_PGPASSWORD": "hunter2",
        "POSTGATE_ENV_POSTGATE_PORT": "x",
    },
}


@pytest.mark.parametrize("platform", INJECTED)
def test_what_a_platform_injects_is_left_alone(platform: str) -> None:
    found = INJECTED[platform]
    assert ignored_variables({**REQUIRED, **found}) == tuple(sorted(found))
    assert read(found) == read({})
    owner = {"POSTGATE_OWNER_DATABASE_URL": "postgresql://owner@db/app"}
    assert load_owner_url({**owner, **found}) == owner["POSTGATE_OWNER_DATABASE_URL"]


def test_a_setting_of_such_a_name_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("8080")
    environ = {**KUBERNETES, "POSTGATE_PORT_FILE": f"{tmp_path}/port"}
    assert read(environ).port == 8080


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGATE_PORT", "http://10.96.0.12:8000"),
        ("POSTGATE_PORT", "tcp://"),
        ("POSTGATE_SERVICE_HOST", "hunter2"),
        ("POSTGATE_SERVICE_PORT", "hunter2"),
        ("POSTGATE_PORT_8000_TCP_PROTO", "hunter2"),
        ("POSTGATE_PORT_8000_TCP_ADDR", "hunter2"),
        ("POSTGATE_NAME", "hunter2"),
        ("POSTGATE_ENV_X", "hunter2"),
        ("POSTGATE_JWT_SECRET_FIEL", "tcp://10.96.0.12:8000"),
        ("POSTGATE_PROT", "8000"),
    ],
)
def test_whatever_else_has_such_a_name_is_a_mistake(name: str, value: str) -> None:
    assert ignored_variables({name: value}) == ()
    assert len(problems({name: value})) == 1


@pytest.mark.parametrize("field", Settings.model_fields)
def test_no_setting_is_taken_for_a_platforms(field: str) -> None:
    name = f"POSTGATE_{field.upper()}"
    for value in ("8000", "10.0.0.1", "tcp", "x", "/a/b", "http://a:1", "postgresql://u@h/d"):
        assert ignored_variables({name: value, f"{name}_FILE": value}) == ()
