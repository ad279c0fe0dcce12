"""The check of the key: there where one is needed, right, and not more than is needed."""

from recorder import api, credentials
from recorder.doctor.findings import Case, Verdict, bad, doubtful, good, skipped
from recorder.errors import RecorderError, UnavailableError
from recorder.feed.rest_errors import KEYS_PAGE
from recorder.keycheck import needs_key
from recorder.listing import why_not_asked

_VIEW = f"make a key at {KEYS_PAGE} with View alone"


def key(case: Case) -> Verdict:
    """The key can be used, and may view and nothing else."""
    feed = case.config.feed
    why = needs_key(feed)
    try:
        if credentials.load(feed.key_file) is None:
            if why:
                return bad(f"{why} needs a key, and there is none", "see `recorder auth --help`")
            return skipped("there is none, and none is needed")
        service = api.service(case.config)
        signer, found = api.signer_of(service)
    except RecorderError as error:
        return bad(*_split(error)) if why or feed.key_file else doubtful(*_split(error))
    said = f"{found.key} from {found.source} signs by {signer.scheme}"
    if case.offline or why_not_asked(feed):
        return good(f"{said}; not tried")
    return _tried(case, service, said, needed=bool(why))


def _tried(case: Case, service: api.Service, said: str, *, needed: bool) -> Verdict:
    """What the venue says of the key."""
    strict = case.config.feed.require_view_only
    try:
        report = api.check(service, require_view_only=False)
    except UnavailableError as error:
        return doubtful(f"{said}; it could not be tried: {error}", "see `rest`")
    except RecorderError as error:
        return bad(*_split(error)) if needed or strict else doubtful(*_split(error))
    if report.can_trade or report.can_transfer:
        more = f"{said}, and may do more than view"
        return bad(more, _VIEW) if strict else doubtful(more, _VIEW)
    return good(f"{said}; the venue takes it")


def _split(error: RecorderError) -> tuple[str, str]:
    """What is wrong, and what to do about it: the last of the sentence."""
    found, mark, fix = str(error).replace("\n", "; ").partition(": ")
    return (found, fix) if mark else (found, "`recorder auth check` tells more")
