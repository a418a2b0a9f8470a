"""Deployment environments: what SAM itself reads in samconfig.toml, and no option or parameter that does not exist."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.lambda_emulator import ROOT
from tests.artifact_build import SAM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.transform import Template

TEXT = (ROOT / "samconfig.toml").read_text(encoding="utf-8")
CONFIG = tomllib.loads(TEXT)
ENVIRONMENTS = ("default", "staging", "production")
MODULE = "command"
COMMANDS = [*((name, MODULE) for name in ("build", "delete", "deploy", "package")), ("validate", "validate")]
STACKS = {
    "default": "prompt-cache-warmer",
    "staging": "prompt-cache-warmer-staging",
    "production": "prompt-cache-warmer-production",
}

# Run by SAM's own Python: the options of its commands, and what it resolves for them in each environment.
ASK_SAM = """
import json, sys
from importlib import import_module
from pathlib import Path
import click
from samcli.cli.cli_config_file import ConfigProvider
path, environments, commands = Path(sys.argv[1]), sys.argv[2].split(), json.loads(sys.argv[3])
found = {name: import_module(f"samcli.commands.{name}.{module}").cli for name, module in commands}

def resolved(environment, name):
    with click.Context(found[name]):
        return ConfigProvider(section="parameters")(path, environment, [name])

print(json.dumps({
    "options": {name: [one.name for one in command.params] for name, command in found.items()},
    "resolved": {one: {name: resolved(one, name) for name in found} for one in environments},
}))
"""


@pytest.fixture(scope="module")
def sam() -> dict[str, Any]:
    """What SAM says of its options and of the file."""
    command = [str(ROOT / ".tools/sam/bin/python"), "-c", ASK_SAM, str(ROOT / "samconfig.toml")]
    asked = subprocess.run(  # noqa: S603 - our own command
        [*command, " ".join(ENVIRONMENTS), json.dumps(COMMANDS)], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    found: dict[str, Any] = json.loads(asked.stdout)
    return found


def unknown_keys(config: Mapping[str, Any], options: Mapping[str, list[str]]) -> list[str]:
    """Name every key of a configuration that no command of SAM's knows; SAM itself passes over them in silence."""
    unknown = []
    for environment, commands in config.items():
        if environment == "version":
            continue
        for command, sections in commands.items():
            known = {option for names in options.values() for option in names}
            known = known if command == "global" else set(options.get(command, ()))
            if set(sections) != {"parameters"}:
                unknown.append(f"{environment}.{command}: {sorted(sections)}")
            unknown += [f"{environment}.{command}.{key}" for key in sections.get("parameters", {}) if key not in known]
    return unknown


def overrides(environment: str) -> dict[str, str]:
    """Return what an environment sets parameters to."""
    written = CONFIG[environment]["deploy"]["parameters"].get("parameter_overrides", "")
    return dict(one.split("=", 1) for one in written.split())


def test_every_key_is_one_that_sam_knows(sam: dict[str, Any]) -> None:
    """A misspelt one would be passed over, and somebody would wonder why it does nothing."""
    assert unknown_keys(CONFIG, sam["options"]) == []


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("resolve_s3 = true", "resolve_s4 = true", "default.deploy.resolve_s4"),
        ("fail_on_empty_changeset", "fail_on_empty_change_set", "default.deploy.fail_on_empty_change_set"),
        ("[default.deploy.parameters]", "[default.deploi.parameters]", "default.deploi.capabilities"),
        ("[staging.deploy.parameters]", "[staging.deploy.parameter]", "staging.deploy: ['parameter']"),
        ("stack_name =", "stackname =", "default.global.stackname"),
        ("confirm_changeset", "confirm_changesets", "production.deploy.confirm_changesets"),
    ],
)
def test_a_misspelt_key_is_found(sam: dict[str, Any], written: str, instead: str, said: str) -> None:
    """Wherever it stands."""
    assert written in TEXT
    assert said in unknown_keys(tomllib.loads(TEXT.replace(written, instead)), sam["options"])


def test_sam_deploys_each_environment_to_a_stack_of_its_own(sam: dict[str, Any]) -> None:
    """By what SAM resolves, the global part included."""
    assert set(CONFIG) == {"version", *ENVIRONMENTS}
    resolved = {name: commands["deploy"] for name, commands in sam["resolved"].items()}
    assert {name: one["stack_name"] for name, one in resolved.items()} == STACKS
    for one in resolved.values():
        assert one["capabilities"].split() == ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        assert (one["resolve_s3"], one["fail_on_empty_changeset"]) == (True, False)
    assert {name: commands["delete"]["stack_name"] for name, commands in sam["resolved"].items()} == STACKS
    assert all(commands["validate"]["lint"] for commands in sam["resolved"].values())


def test_only_production_asks_before_it_changes_anything(sam: dict[str, Any]) -> None:
    """Everywhere else `sam deploy` asks nothing once the secret is known."""
    asking = [name for name, one in sam["resolved"].items() if one["deploy"].get("confirm_changeset")]
    assert asking == ["production"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_set_is_a_parameter_and_a_value_it_takes(environment: str, source: Template) -> None:
    """CloudFormation would refuse the deployment otherwise."""
    for name, value in overrides(environment).items():
        parameter = source["Parameters"][name]
        if "AllowedValues" in parameter:
            assert value in map(str, parameter["AllowedValues"]), name
        else:
            assert re.search(parameter["AllowedPattern"], value), name
    assert (overrides(environment) == {}) is (environment == "default")


def test_no_secret_no_account_and_no_region_stand_in_it() -> None:
    """They are the deployer's own."""
    assert not re.search(r"\d{12}|arn:aws|sk-ant", TEXT)
    keys = {
        key
        for commands in CONFIG.values()
        if isinstance(commands, dict)
        for one in commands.values()
        for key in one["parameters"]
    }
    assert keys.isdisjoint({"region", "profile", "s3_bucket", "role_arn"})
    assert not any("AnthropicSecretArn" in overrides(environment) for environment in ENVIRONMENTS)


def test_sam_validates_the_template_with_it() -> None:
    """`sam validate` with an environment's options, lint included."""
    command = [str(SAM), "validate", "--config-env", "production"]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nowhere",
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    validated = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert "is a valid SAM Template" in validated.stdout
