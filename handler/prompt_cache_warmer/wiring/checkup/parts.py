"""What a stack made: its bucket, its table, its function and its schedule, each as it is now."""

from __future__ import annotations

import json
import shlex
from typing import Any

from botocore.exceptions import ClientError

from prompt_cache_warmer.adapters.s3_bucket import error_word
from prompt_cache_warmer.adapters.state_items import EXPIRES_AT, PARTITION_KEY
from prompt_cache_warmer.rules.bucket_policy import refuses_plain_http
from prompt_cache_warmer.rules.checkup import Finding, green, not_asked, red
from prompt_cache_warmer.wiring.checkup.asking import answered, make_client

BUCKET, OBJECT_VERSIONS, TLS = "bucket", "object-versions", "bucket-tls"
TABLE, TABLE_TTL = "table", "table-ttl"
FUNCTION, SCHEDULE = "function", "schedule"

_ONE_KEY = 1
_NO_POLICY = "NoSuchBucketPolicy"
_GONE = frozenset({"NoSuchBucket", "404", "ResourceNotFoundException"})
DEPLOY = "sam deploy, from the folder it was deployed from"


def check_bucket(bucket: str, prefix: str, *, client: Any = None) -> list[Finding]:  # noqa: ANN401 - a boto3 client
    """Say whether the bucket can be listed, keeps versions, and refuses plain HTTP."""
    s3 = client or make_client("s3")
    found = answered(BUCKET, "s3:ListBucket", lambda: _listed(s3, bucket, prefix))
    if found.fix is not None:
        return [found, *(not_asked(check, "there is no bucket to ask") for check in (OBJECT_VERSIONS, TLS))]
    return [
        found,
        answered(OBJECT_VERSIONS, "s3:GetBucketVersioning", lambda: _versioned(s3, bucket)),
        answered(TLS, "s3:GetBucketPolicy", lambda: _private(s3, bucket)),
    ]


def _listed(s3: Any, bucket: str, prefix: str) -> Finding:  # noqa: ANN401 - a boto3 client
    try:
        s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=_ONE_KEY)
    except ClientError as error:
        if error_word(error) not in _GONE:
            raise
        return red(BUCKET, f"there is no bucket {bucket!r}", fix=f"correct TARGETS_BUCKET of the function: {DEPLOY}")
    return green(BUCKET, f"{bucket} can be listed under {prefix}")


def _versioned(s3: Any, bucket: str) -> Finding:  # noqa: ANN401 - as above
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled":
        return green(OBJECT_VERSIONS, "a bad edit can be taken back: the bucket keeps versions")
    name = shlex.quote(bucket)
    fix = f"aws s3api put-bucket-versioning --bucket {name} --versioning-configuration Status=Enabled"
    return red(OBJECT_VERSIONS, "the bucket keeps no versions: a bad edit cannot be taken back", fix=fix)


def _private(s3: Any, bucket: str) -> Finding:  # noqa: ANN401 - as above
    try:
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if error_word(error) != _NO_POLICY:
            raise
        policy = {}
    if refuses_plain_http(policy, bucket):
        return green(TLS, "the bucket's policy refuses plain HTTP")
    put = f"aws s3api put-bucket-policy --bucket {shlex.quote(bucket)} --policy file://policy.json"
    fix = f"add the statement TlsOnly of template.yaml: {put}"
    return red(TLS, "the bucket's policy does not refuse everybody plain HTTP, for the bucket and all in it", fix=fix)


def check_table(table: str, *, client: Any = None) -> list[Finding]:  # noqa: ANN401 - as above
    """Say whether the state's table is as the template makes it, its time to live included."""
    dynamodb = client or make_client("dynamodb")

    def described() -> Finding:
        try:
            found = dynamodb.describe_table(TableName=table)["Table"]
        except ClientError as error:
            if error_word(error) not in _GONE:
                raise
            return red(TABLE, f"there is no table {table!r} in this region", fix=f"make it again: {DEPLOY}")
        keys = [(key["AttributeName"], key["KeyType"]) for key in found["KeySchema"]]
        if keys != [(PARTITION_KEY, "HASH")]:
            said = f"table {table!r} has the key {', '.join(name for name, _ in keys)}, and {PARTITION_KEY} is needed"
            return red(TABLE, said, fix=f"name the stack's own table in STATE_TABLE: {DEPLOY}")
        if found["TableStatus"] != "ACTIVE":
            fix = f"aws dynamodb wait table-exists --table-name {shlex.quote(table)}"
            return red(TABLE, f"table {table!r} is {found['TableStatus']}", fix=fix)
        return green(TABLE, f"{table} is there, with the key {PARTITION_KEY}")

    def expiring() -> Finding:
        found = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        if (found.get("TimeToLiveStatus"), found.get("AttributeName")) == ("ENABLED", EXPIRES_AT):
            return green(TABLE_TTL, f"what nobody needs any more expires by {EXPIRES_AT}")
        fix = (
            f"aws dynamodb update-time-to-live --table-name {shlex.quote(table)} "
            f"--time-to-live-specification Enabled=true,AttributeName={EXPIRES_AT}"
        )
        return red(TABLE_TTL, f"nothing expires: its time to live is not on, by {EXPIRES_AT}", fix=fix)

    found = answered(TABLE, "dynamodb:DescribeTable", described)
    if found.fix is not None:
        return [found, not_asked(TABLE_TTL, "there is no such table to ask")]
    return [found, answered(TABLE_TTL, "dynamodb:DescribeTimeToLive", expiring)]


def check_function(
    function: str,
    *,
    check: str = FUNCTION,
    client: Any = None,  # noqa: ANN401 - as above
) -> list[Finding]:
    """Say whether a function can run."""
    name = shlex.quote(function)

    def configured() -> Finding:
        found = (client or make_client("lambda")).get_function_configuration(FunctionName=function)
        state, update = found.get("State", "Active"), found.get("LastUpdateStatus", "Successful")
        if state != "Active":
            why = found.get("StateReasonCode", "no reason given")
            fix = f"aws lambda wait function-active-v2 --function-name {name}; if it stays so: {DEPLOY}"
            return red(check, f"{function} is {state}: {why}", fix=fix)
        if update == "Failed":
            return red(
                check,
                f"the last update of {function} failed: {found.get('LastUpdateStatusReasonCode', 'no reason given')}",
                fix=DEPLOY,
            )
        return green(check, f"{function} is active on {found['Runtime']}, its last update {update.lower()}")

    return [answered(check, "lambda:GetFunctionConfiguration", configured)]


def bare_name(function: str) -> str:
    """Return a function's name, out of its ARN or of a name with a qualifier."""
    behind = function.rpartition("function:")[2]
    return behind.partition(":")[0]


def check_schedule(function: str) -> list[Finding]:
    """Say whether a schedule invokes the function, by its name or ARN, and is on."""
    name = bare_name(function)

    def scheduled() -> Finding:
        pages = make_client("scheduler").get_paginator("list_schedules").paginate()
        states = [
            schedule["State"]
            for page in pages
            for schedule in page["Schedules"]
            if f":function:{name}:" in f"{schedule['Target']['Arn']}:"
        ]
        if "ENABLED" in states:
            return green(SCHEDULE, "the schedule is on")
        fix = "sam deploy --parameter-overrides ScheduleState=ENABLED"
        if states:
            return red(SCHEDULE, "the schedule is off: nothing is called by itself", fix=fix)
        return red(SCHEDULE, f"no schedule invokes {name}: nothing is called by itself", fix=DEPLOY)

    return [answered(SCHEDULE, "scheduler:ListSchedules", scheduled)]
