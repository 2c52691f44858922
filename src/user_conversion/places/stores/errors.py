"""What a store's refusal means, in a few words without URLs, which can hold signatures."""

from __future__ import annotations

import re

PERMISSION = "it is not permitted; ask for the right to list, read, write and delete there"
CREDENTIALS = "there are no credentials; set those of the store in the environment"
NO_CONDITIONS = "the store refuses conditional writes, which a publication needs"
REGION = "the bucket is in another region; set AWS_REGION"
ARCHIVED = "the object is in an archive class; restore it first, or leave it out with --exclude"
# By the store's own code.
CODES = {
    "NoSuchBucket": "there is no such bucket; check its name",
    "ContainerNotFound": "there is no such container; check its name",
    "InvalidBucketName": "this is not the name of a bucket",
    "InvalidAccessKeyId": "the access key is not known; check the credentials",
    "SignatureDoesNotMatch": "the secret key is wrong; check the credentials",
    "AuthenticationFailed": "the credentials are wrong; check them, and the clock of this machine",
    "InvalidToken": "the session token is wrong; renew the credentials",
    "ExpiredToken": "the credentials have expired; renew them",
    "AccessDenied": PERMISSION,
    "AuthorizationFailure": PERMISSION,
    "AuthorizationPermissionMismatch": PERMISSION,
    "RequestTimeTooSkewed": "the clock of this machine is wrong; set it",
    "PermanentRedirect": REGION,
    "AuthorizationHeaderMalformed": REGION,
    "IllegalLocationConstraintException": REGION,
    "InvalidObjectState": ARCHIVED,
    "BlobArchived": ARCHIVED,
    "NotImplemented": NO_CONDITIONS,
}


def code_of(error: Exception) -> str:
    """The store's own code of an error, such as `NoSuchBucket`."""
    found = re.search(r"<Code>(\w+)</Code>", str(error))
    return found[1] if found else ""


def is_final(error: Exception) -> bool:
    """Whether it is no use to ask again."""
    return (
        code_of(error) in CODES
        or re.search(r"status code: 4(?!08|09|12|29)", str(error)) is not None
    )


def reason_of(error: Exception) -> str:
    """Why the store refused, and what to do about it."""
    text, code = str(error), code_of(error)
    if code in CODES:
        return CODES[code]
    if "169.254.169.254" in text or "metadata.google" in text:
        return CREDENTIALS
    if isinstance(error, ConnectionError):
        return text
    if isinstance(error, ValueError):
        return "it has a name that cannot be used, such as one with an empty part, '//'"
    if "redirect" in text and "region" in text:
        return REGION
    status = re.search(r"status code: (\d+)([\w ]*)", text)
    if status and status[1] == "403":
        return PERMISSION
    if status:
        return f"the store answers {status[1]}{status[2].rstrip()}" + (f" ({code})" if code else "")
    return "the store does not answer; check its address and the network"
