"""What a store's refusals mean for a person: which mistake it is, and what to do next."""

import re

from botocore import exceptions as boto

from recorder.errors import (
    ConfigError,
    DataError,
    NoInputError,
    PermissionRefusedError,
    RecorderError,
    UnavailableError,
)
from recorder.masking import shown_address

AGAIN = "Do the same again later; it goes on where it stopped."
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}
_KEY = {
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"),
    *("TokenRefreshRequired", "InvalidSecurity", "AuthorizationHeaderMalformed"),
}
_DIGEST = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}
_ADDRESS = re.compile(r"\w+://[^\s\"']+")
_SAID_MAX = 200


def code_of(error: boto.ClientError) -> str:
    """The code of a refusal; a HEAD has no body, so there it is the status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: boto.ClientError) -> int:
    """The HTTP status of a refusal; 0 where there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_absent(error: boto.ClientError) -> bool:
    """Whether the object is not there (and its bucket is, as far as that is told)."""
    return code_of(error) in {"NoSuchKey", "404", "NotFound"}


def is_beyond(error: boto.ClientError) -> bool:
    """Whether a range begins behind the end of the object."""
    return status_of(error) == 416 or code_of(error) == "InvalidRange"


def is_unmet(error: boto.ClientError) -> bool:
    """Whether the condition of a write was not met: the object is there, or is another."""
    return status_of(error) == 412 or code_of(error) == "PreconditionFailed"


def is_contended(error: boto.ClientError) -> bool:
    """Whether another write of the same object was going on; the same may be asked again."""
    return status_of(error) == 409 and code_of(error) != "BucketAlreadyExists"


def is_unknown_condition(error: boto.ClientError) -> bool:
    """Whether the store does not know conditional writes at all."""
    return status_of(error) == 501 or code_of(error) == "NotImplemented"


def told(error: Exception, what: str, bucket: str, endpoint: str) -> RecorderError:
    """What a failure of the library means. ``what`` was to be done, such as ``PUT s3://…``."""
    if isinstance(error, boto.ClientError):
        return _refused(error, what, bucket, endpoint)
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        return ConfigError(
            f"{what}: no key was found, or only a part of one. Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the instance a role."
        )
    if isinstance(error, boto.CredentialRetrievalError | boto.TokenRetrievalError):
        return ConfigError(f"{what}: the key could not be had. {_said(error)}")
    if isinstance(error, boto.ProfileNotFound | boto.InvalidConfigError | boto.ConfigParseError):
        return ConfigError(f"{what}: {_said(error)}. Look at AWS_PROFILE and the files it names.")
    if isinstance(error, boto.SSLError):
        return UnavailableError(
            f"{endpoint}: its certificate is not trusted ({_said(error)}). Where it is a store of "
            "your own, name its certificate authority in AWS_CA_BUNDLE."
        )
    if isinstance(error, boto.HTTPClientError | boto.BotoCoreError | OSError):
        return UnavailableError(
            f"{endpoint}: cannot be reached, or stopped in the middle of an answer "
            f"({type(error).__name__}). Look at the network and at the endpoint. {AGAIN}"
        )
    raise error


def _refused(error: boto.ClientError, what: str, bucket: str, endpoint: str) -> RecorderError:
    code, status = code_of(error), status_of(error)
    said = str(error.response.get("Error", {}).get("Message", ""))[:_SAID_MAX]
    meant: tuple[tuple[bool, type[RecorderError], str], ...] = (
        (
            code == "NoSuchBucket",
            NoInputError,
            f"{endpoint} has no bucket {bucket!r}. Make it, or name another.",
        ),
        (
            code in _CLOCK,
            PermissionRefusedError,
            (
                f"this machine's clock differs from the store's by too much ({code}). Set the "
                "clock (NTP), and do the same again."
            ),
        ),
        (
            code in _KEY,
            PermissionRefusedError,
            (
                f"the store refuses the key or its signature ({code}). Look at the key in the "
                "environment or the profile, at its region, and at the endpoint."
            ),
        ),
        (
            code in _DIGEST,
            DataError,
            (
                f"what arrived is not what was sent ({code}). Something on the way changes it; "
                f"nothing was kept. {AGAIN}"
            ),
        ),
        (
            status in {401, 403},
            PermissionRefusedError,
            (
                f"access denied ({code}). Let the key list the bucket (s3:ListBucket) and read "
                "objects below the prefix (s3:GetObject); to publish, also write them "
                "(s3:PutObject, s3:AbortMultipartUpload, s3:ListMultipartUploadParts)."
            ),
        ),
        (
            status in {301, 307},
            ConfigError,
            (
                f"the bucket lies in another region or behind another endpoint ({code}). Set "
                "AWS_DEFAULT_REGION, or name the endpoint."
            ),
        ),
        (
            status >= 500 or status == 429 or code in {"SlowDown", "RequestTimeout"},
            UnavailableError,
            f"the store failed or asks to wait, several times in a row ({status} {code}). {AGAIN}",
        ),
        (True, UnavailableError, f"the store refused it ({status} {code}: {said!r})."),
    )
    kind, text = next((kind, text) for is_so, kind, text in meant if is_so)
    return kind(f"{what}: {text}")


def _said(error: Exception) -> str:
    said = _ADDRESS.sub(lambda found: shown_address(found[0]), str(error))
    return said.rstrip(".")[:_SAID_MAX]
