"""Lists that must agree: the contract's and the code's."""

import inspect
import json
import re
from types import ModuleType
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from handlers import annotate, catalog, console, errors, inference, live, service, stream_settings
from handlers.decoding.description import (
    GSTREAMER_NAMES,
    HEIGHT,
    PIXEL_FORMAT,
    RAW_MEDIA_TYPE,
    STRIDE,
    WIDTH,
)
from handlers.decoding.encoded import CODECS, FORMAT_NAMES
from handlers.decoding.limits import MAX_SIDE_PX
from handlers.decoding.raw import LAYOUTS
from handlers.deepstack import operations as deepstack
from handlers.pages import CONSOLE
from handlers.parsing.queries import STREAM_NAME
from handlers.parsing.request_names import REQUEST_ID, REQUEST_ID_HEADERS
from handlers.server.access.credentials import PERMISSIONS
from handlers.server.app import OPERATIONS
from handlers.server.contract import DEFAULT_KEY_HEADER
from handlers.server.middleware.problems import (
    HANG_UP_ERRORS,
    INTERNAL_PROBLEM,
    PROBLEMS,
    ROUTING_PROBLEMS,
    TYPE_PREFIX,
)
from handlers.server.settings import Settings
from handlers.server.settings_sources import ENVIRONMENT_PREFIX
from models import errors as models_errors
from models.families import FAMILIES, FAMILY_CONFIGS
from models.frame import PIXEL_FORMAT_NAMES
from models.repository.config import RawFrameConfig
from models.results import MAX_DETECTIONS
from tests.contract.hooks import STRATEGIES
from tests.support.client import CONTRACT, ROOT, resolve
from tests.support.client import OPERATIONS as DECLARED
from tests.support.server import LiveServer

OPERATION_MODULES = (inference, annotate, deepstack, catalog, live, stream_settings, console, service)
SCHEMAS = CONTRACT["components"]["schemas"]
SLUGS = {problem.slug for problem in (*PROBLEMS.values(), *ROUTING_PROBLEMS.values(), INTERNAL_PROBLEM)}
NEVER_RENDERED = {
    "FrameError",
    "EdgeError",
    "ModelsError",
    "UnavailableError",
    "ConfigurationError",
    "ModelConfigError",
    "PullError",
}
"""Base classes, which are never raised, and the errors that stop the start, or a command."""


OPEN = {"get_console", "get_console_file", "show_stream", "get_contract_yaml", "get_contract_json"}
"""The pages and the contract reveal nothing but themselves, and need no credential."""
BYTES = "application/octet-stream"
"""The first media type of a frame: generators of clients take the first one, and JSON for what they do not know."""
MEDIA_TYPES = [BYTES, *CODECS, RAW_MEDIA_TYPE, "image/jpg"]


def test_media_types_are_the_codecs_and_raw() -> None:
    declared = CONTRACT["components"]["requestBodies"]["Frame"]["content"]
    assert list(declared) == MEDIA_TYPES


def test_the_contract_names_every_codec_in_words() -> None:
    lists = re.findall(r"JPEG, PNG[\w, ]*", (ROOT / "openapi.yaml").read_text())
    assert lists
    assert [words for words in lists if not words.startswith(FORMAT_NAMES)] == []


def test_the_file_of_a_form_is_of_any_codec() -> None:
    form = CONTRACT["components"]["requestBodies"]["Form"]["content"]["multipart/form-data"]
    assert form["encoding"]["image"]["contentType"] == ", ".join(CODECS)


def test_the_console_offers_files_of_every_codec() -> None:
    assert re.findall(r'type="file" accept="(.*?)"', CONSOLE) == [",".join(CODECS)]


def test_every_media_type_has_a_fuzz_strategy() -> None:
    assert list(STRATEGIES) == MEDIA_TYPES


def test_pixel_formats_are_the_layouts() -> None:
    assert SCHEMAS["PixelFormat"]["enum"] == list(LAYOUTS) == list(PIXEL_FORMAT_NAMES)
    documented = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "raw-frames.md").read_text(), re.MULTILINE)
    assert documented == list(LAYOUTS)


def test_gstreamers_names_are_documented() -> None:
    documented = re.findall(r"`(\w+)`\s+\(`(\w+)`\)", (ROOT / "docs" / "raw-frames.md").read_text())
    assert {theirs.lower(): ours for theirs, ours in documented} == GSTREAMER_NAMES


@pytest.mark.parametrize("names", [WIDTH, HEIGHT, PIXEL_FORMAT, STRIDE], ids=lambda names: names[0])
def test_raw_parameters_are_declared(names: tuple[str, ...]) -> None:
    declared = {parameter["name"]: parameter for parameter in CONTRACT["components"]["parameters"].values()}
    assert (declared[names[0]]["in"], declared[names[2]]["in"]) == ("query", "header")


def test_a_side_is_as_long_as_declared() -> None:
    assert SCHEMAS["FrameSide"]["maximum"] == MAX_SIDE_PX
    assert RawFrameConfig(width=MAX_SIDE_PX)
    with pytest.raises(ValidationError):
        RawFrameConfig(width=MAX_SIDE_PX + 1)


def test_every_operation_is_bound_and_every_public_handler_is_an_operation() -> None:
    declared = {operation["operationId"] for _, _, operation in DECLARED}
    assert declared == set(OPERATIONS)
    handlers = {
        name
        for module in OPERATION_MODULES
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and inspect.iscoroutinefunction(function)
        and not name.startswith("_")
        and inspect.getmodule(function) in OPERATION_MODULES
    }
    assert handlers == declared
    assert all(name in vars(_module_of(OPERATIONS[name])) for name in declared)


def _module_of(function: object) -> ModuleType:
    module = inspect.getmodule(function)
    assert module
    return module


@pytest.mark.parametrize("module", [errors, models_errors])
def test_every_error_has_its_problem(module: ModuleType) -> None:
    classes = [thing for thing in vars(module).values() if inspect.isclass(thing) and issubclass(thing, Exception)]
    assert {error.__name__ for error in classes if error not in PROBLEMS} <= NEVER_RENDERED


@pytest.mark.parametrize("module", [errors, models_errors])
def test_the_error_tree_of_a_docstring_is_the_tree(module: ModuleType) -> None:
    drawn = set(re.findall(r"(\w+Error)\b", module.__doc__ or ""))
    assert drawn == {name for name in vars(module) if name.endswith("Error")}


def test_every_problem_is_declared_shown_and_explained() -> None:
    types = {TYPE_PREFIX + slug for slug in SLUGS}
    assert types == set(SCHEMAS["Problem"]["properties"]["type"]["enum"])
    shown = set(re.findall(r"type: (urn:framehook:[\w-]+)$", (ROOT / "openapi.yaml").read_text(), re.MULTILINE))
    assert types == shown
    explained = re.findall(r"^## ([\w-]+)$", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(SLUGS)


def test_names_that_callers_give_are_as_declared() -> None:
    headers = CONTRACT["components"]["headers"]
    assert SCHEMAS["StreamName"]["pattern"] == f"^{STREAM_NAME.pattern}$"
    ids = [headers[name]["schema"]["pattern"] for name in ("ClientRequestId", "RequestId")]
    assert ids == [f"^{REQUEST_ID.pattern}$"] * len(REQUEST_ID_HEADERS)


def test_every_operation_declares_the_names_that_callers_give_to_requests() -> None:
    names = [*REQUEST_ID_HEADERS, "traceparent", "tracestate"]
    for _, path, operation in DECLARED:
        asked = [resolve(parameter)["name"] for parameter in operation["parameters"]]
        assert asked[-len(names) :] == names, path
        for response in map(resolve, operation["responses"].values()):
            echoed = set(response.get("headers", {})) & set(REQUEST_ID_HEADERS)
            assert echoed in (set(), set(REQUEST_ID_HEADERS)), path


def test_errors_that_hang_up_are_problems() -> None:
    assert set(HANG_UP_ERRORS) <= set(PROBLEMS)


def test_families_are_declared() -> None:
    assert all(re.fullmatch(SCHEMAS["Model"]["properties"]["family"]["pattern"], name) for name in FAMILIES)
    assert list(FAMILY_CONFIGS) == list(FAMILIES)


def test_every_family_is_documented_with_its_defaults_and_types() -> None:
    table = re.findall(
        r"^\| `(\w+)` \| (.*) \| (.*) \| ([\w, ]+) \|$", (ROOT / "docs" / "families.md").read_text(), re.MULTILINE
    )
    documented = {name: ([_keys(cell) for cell in cells], types) for name, *cells, types in table}
    assert documented == {
        name: (
            [
                {key: _written(value) for key, value in defaults.items()}
                for defaults in (config.input_defaults, config.output_defaults)
            ],
            ", ".join(config.inference_types),
        )
        for name, config in FAMILY_CONFIGS.items()
    }


def _written(value: object) -> object:
    """Return a default as the table writes it."""
    if value == 1 / 255:
        return "1/255"
    return list(value) if isinstance(value, tuple) else value


def _keys(cell: str) -> dict[str, object]:
    """Return the pairs in a cell of a document's table: `key: value`, `key: value`."""
    keys: dict[str, object] = yaml.safe_load("{" + ", ".join(re.findall("`(.*?)`", cell)) + "}")
    return keys


def test_as_many_detections_can_be_asked_for_as_are_considered() -> None:
    assert CONTRACT["components"]["parameters"]["maxDetections"]["schema"]["maximum"] == MAX_DETECTIONS


def test_every_setting_is_documented_with_its_default() -> None:
    documented = dict(
        re.findall(r"^\| `(FRAMEHOOK_\w+)` \| (.*?) \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)
    )
    names = {ENVIRONMENT_PREFIX + name.upper() for name in Settings.model_fields}
    assert set(documented) == names | {"FRAMEHOOK_CONFIG"}
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, int | str):
            default = str(field.default).lower() if isinstance(field.default, bool) else field.default
            assert documented[ENVIRONMENT_PREFIX + name.upper()] == f"`{default}`"


def test_the_served_contract_is_the_file(guarded: LiveServer) -> None:
    as_yaml = guarded.client.get("/openapi.yaml")
    assert as_yaml.content == (ROOT / "openapi.yaml").read_bytes()
    assert "$ref" in as_yaml.text
    as_json = guarded.client.get("/openapi.json")
    assert json.loads(as_json.content) == yaml.safe_load(as_yaml.content)


def test_every_operation_asks_for_a_credential() -> None:
    operations = [operation for _, _, operation in DECLARED]
    assert {operation["operationId"] for operation in operations if operation["security"] == []} == OPEN
    operations = [operation for operation in operations if operation["operationId"] not in OPEN]
    assert CONTRACT["components"]["securitySchemes"]["apiKey"]["name"] == DEFAULT_KEY_HEADER
    schemes = list(CONTRACT["components"]["securitySchemes"])
    assert all(operation["security"] == [{scheme: []} for scheme in schemes] for operation in operations)
    assert {operation["x-permission"] for operation in operations} == set(PERMISSIONS)


def test_the_version_is_the_packages() -> None:
    assert f'version = "{CONTRACT["info"]["version"]}"' in (ROOT / "pyproject.toml").read_text()


def test_everything_is_described() -> None:
    assert not [name for name, place in _places(CONTRACT) if "description" not in place]


def _places(contract: dict[str, Any]) -> list[tuple[str, dict[str, object]]]:
    """Return every operation, parameter, header, response, request body and schema, with its name."""
    places = [
        (f"{method} {path}", operation)
        for path, operations in contract["paths"].items()
        for method, operation in operations.items()
    ]
    for kind, components in contract["components"].items():
        places += [(f"{kind} {name}", component) for name, component in components.items()]
    return places


def test_every_operation_declares_what_is_answered_before_it() -> None:
    """A target or a head that is too large is refused on every path."""
    for _, path, operation in DECLARED:
        assert {"414", "431"} <= set(operation["responses"]), path
