"""AWS on loopback: moto's server for S3, DynamoDB, Secrets Manager, SSM and CloudWatch, spoken to over HTTP.

The one call that moto lacks, STS's ``GetWebIdentityToken``, is a stand-in of our own (``web_identity``).
"""

from __future__ import annotations

import http.client
import io
import logging
from contextlib import closing
from functools import cache, cached_property
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self
from unittest import mock

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from infra.local import web_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from botocore.config import Config
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient

REGION = "us-east-1"
LOOPBACK = "127.0.0.1"
_CLIENTS = ("s3", "dynamodb", "secrets", "parameters", "cloudwatch")
_POLL_SECONDS = 0.01  # how long an account that ends may wait for its server
_PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


class _Moto(DomainDispatcherApplication):
    """moto's own application, which looks a host's service up once: each time it asks for every file of moto."""

    @cache  # noqa: B019 - there is one of it, as long as the process lives
    def get_backend_for_host(self, host: str | None) -> Any:  # noqa: ANN401 - moto's own word
        return super().get_backend_for_host(host)


@cache
def _moto() -> _Moto:
    """Return moto's application: its state is the process's, and making its routes costs more than most accounts."""
    return _Moto(create_backend_app)


class _Account:
    """moto's own application, but one DynamoDB request at a time.

    moto checks a condition and writes in two steps that other threads may come between; DynamoDB does
    both in one, and that is what a store is built on.

    Attributes:
        identity_refusal: the code that requests for an identity token are refused with; None grants them.
    """

    def __init__(self) -> None:
        self._application = _moto()
        self._one_at_a_time = Lock()
        self.identity_refusal: str | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            form = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            if web_identity.wants_identity_token(form):
                return web_identity.answer(form, start_response, refusal=self.identity_refusal)
            environ["wsgi.input"] = io.BytesIO(form)
        if not environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB_"):
            answer: Iterable[bytes] = self._application(environ, start_response)
            return answer
        with self._one_at_a_time:
            return list(self._application(environ, start_response))


class LocalAws:
    """An AWS account that lives as long as the ``with`` block.

    moto keeps its state per process, so it is emptied at the start: two accounts at once share it. Profiles
    and proxies of this machine are out of the way meanwhile: boto3 would look the ones up, and the others
    do not lead to loopback. Each client is made once: making one costs more than what is asked with it.
    """

    def __init__(self) -> None:
        self._environment = mock.patch.dict("os.environ")
        self.endpoint_url = ""

    def __enter__(self) -> Self:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line per request is not for a demo's reader
        environment = self._environment.start()
        for name in _PROFILES:
            environment.pop(name, None)
        environment |= dict.fromkeys(("NO_PROXY", "no_proxy"), LOOPBACK)
        self._account = _Account()
        self._server = make_server(LOOPBACK, 0, self._account, threaded=True, request_handler=MotoRequestHandler)
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        self._thread.start()
        self.endpoint_url = f"http://{LOOPBACK}:{self._server.server_port}"
        self.reset()
        return self

    def reset(self) -> None:
        """Empty the account, and forget the clients: a test may have hung something on them."""
        for name in _CLIENTS:
            self.__dict__.pop(name, None)
        with closing(http.client.HTTPConnection(LOOPBACK, self._server.server_port)) as connection:
            connection.request("POST", "/moto-api/reset")
            connection.getresponse().read()

    def refuse_identity_tokens(self, code: str | None) -> None:
        """Let STS refuse requests for an identity token with an error code, or grant them again."""
        self._account.identity_refusal = code

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
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

    def client(self, service_name: str, *, config: Config | None = None) -> Any:  # noqa: ANN401 - boto3's clients have no common type
        """Make a client of any service, as a ``boto3.session.Session`` does."""
        make: Callable[..., Any] = self._session.client
        return make(service_name, endpoint_url=self.endpoint_url, config=config)

    @cached_property
    def s3(self) -> S3Client:
        """An S3 client."""
        return self._session.client("s3", endpoint_url=self.endpoint_url)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """A DynamoDB client."""
        return self._session.client("dynamodb", endpoint_url=self.endpoint_url)

    @cached_property
    def secrets(self) -> SecretsManagerClient:
        """A Secrets Manager client."""
        return self._session.client("secretsmanager", endpoint_url=self.endpoint_url)

    @cached_property
    def parameters(self) -> Any:  # noqa: ANN401 - its stubs are no dependency
        """An SSM client."""
        return self.client("ssm")

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        """A CloudWatch client."""
        return self._session.client("cloudwatch", endpoint_url=self.endpoint_url)

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)  # noqa: S106 - moto takes any
