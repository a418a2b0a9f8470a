"""AWS on loopback: moto's server for S3, Secrets Manager and CloudWatch, spoken to over HTTP."""

from __future__ import annotations

import http.client
import logging
from contextlib import closing
from typing import TYPE_CHECKING, Self
from unittest import mock

import boto3
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient

REGION = "us-east-1"
LOOPBACK = "127.0.0.1"
_PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


class LocalAws:
    """An AWS account that lives as long as the ``with`` block.

    moto keeps its state per process, so it is emptied at the start: two accounts at once share it. Profiles
    and proxies of this machine are out of the way meanwhile: boto3 would look the ones up, and the others
    do not lead to loopback.
    """

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address=LOOPBACK, port=0, verbose=False)
        self._environment = mock.patch.dict("os.environ")
        self._port = 0
        self.endpoint_url = ""

    def __enter__(self) -> Self:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line per request is not for a demo's reader
        environment = self._environment.start()
        for name in _PROFILES:
            environment.pop(name, None)
        environment |= dict.fromkeys(("NO_PROXY", "no_proxy"), LOOPBACK)
        self._server.start()
        _, self._port = self._server.get_host_and_port()
        self.endpoint_url = f"http://{LOOPBACK}:{self._port}"
        self.reset()
        return self

    def reset(self) -> None:
        """Empty the account."""
        with closing(http.client.HTTPConnection(LOOPBACK, self._port)) as connection:
            connection.request("POST", "/moto-api/reset")
            connection.getresponse().read()

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._environment.stop()

    def environment(self) -> dict[str, str]:
        """Return the environment that makes boto3 and the AWS CLI talk to this account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }

    @property
    def s3(self) -> S3Client:
        """An S3 client."""
        return self._session.client("s3", endpoint_url=self.endpoint_url)

    @property
    def secrets(self) -> SecretsManagerClient:
        """A Secrets Manager client."""
        return self._session.client("secretsmanager", endpoint_url=self.endpoint_url)

    @property
    def cloudwatch(self) -> CloudWatchClient:
        """A CloudWatch client."""
        return self._session.client("cloudwatch", endpoint_url=self.endpoint_url)

    @property
    def _session(self) -> boto3.Session:
        return boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)  # noqa: S106 - moto takes any
