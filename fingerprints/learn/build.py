"""From recordings to a profile. Pure, and the same for the same traces in any order."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fingerprints.learn import samples as sampling
from fingerprints.learn.context import Context
from fingerprints.learn.entries import (
    Evidence,
    Learned,
    Unexplained,
    document_of,
    learn_list,
)
from fingerprints.learn.items import items_of
from fingerprints.learn.lists import Lists, collect
from fingerprints.learn.naming import Naming, name_fields
from fingerprints.learn.samples import Recordings, Sample
from fingerprints.learn.shapes import Model, form_of, models_of, never_of, shapes_of
from fingerprints.learn.vocabulary import Vocabulary
from fingerprints.matchers import JsonText, Nested, Text
from fingerprints.profile import (
    Document,
    Entry,
    Form,
    ItemRule,
    Presence,
    Profile,
    Recorded,
    Transport,
    When,
)
from fingerprints.trace import Trace, host_of

MOST_NAMED = 4
"""Recordings that an entry names as its evidence."""

_RUN = re.compile(r"#\d+$")


@dataclass(frozen=True, slots=True)
class Draft:
    """What was learned, before an overlay.

    Attributes:
        profile: of the release.
        recordings: what it was learned from.
        naming: which field shows which role.
        evidence: of every entry.
        unexplained: what stays for a human.
    """

    profile: Profile
    recordings: Recordings
    naming: Naming
    evidence: tuple[Evidence, ...]
    unexplained: tuple[Unexplained, ...]


def learn(
    traces: Iterable[Trace], vocabulary: Vocabulary, catalogue: Sequence[Model] = ()
) -> Draft:
    """Learns a release.

    Args:
        traces: of one release, two at least.
        catalogue: what the client's own catalogue says of its models.

    Raises:
        TraceError: too few traces, or of several releases.
    """
    recordings = sampling.read(traces, vocabulary)
    lists = collect(recordings.samples, vocabulary)
    naming = name_fields(lists, vocabulary, recordings.release)
    context = Context(recordings.samples, naming, vocabulary, recordings.release)
    headers = {name: learn_list(each, context) for name, each in lists.headers.items()}
    documents = {
        name: learn_list(each, context) for name, each in lists.documents.items() if each.instances
    }
    shapes = shapes_of(recordings.samples, vocabulary)
    rules, described, about = items_of(recordings.samples, shapes, context)
    learned = [*headers.values(), *documents.values(), *about]
    evident = dict(zip(described, about, strict=True))
    profile = _profile(
        recordings, lists, naming, vocabulary, catalogue, headers, documents | evident, rules
    )
    return Draft(
        profile,
        recordings,
        naming,
        tuple(each for one in learned for each in one.evidence),
        tuple(each for one in learned for each in one.unexplained),
    )


def _profile(
    recordings: Recordings,
    lists: Lists,
    naming: Naming,
    vocabulary: Vocabulary,
    catalogue: Sequence[Model],
    headers: dict[str, Learned],
    documents: dict[str, Learned],
    rules: tuple[ItemRule, ...],
) -> Profile:
    shapes = shapes_of(recordings.samples, vocabulary)
    requests = _requests(recordings, lists, headers, vocabulary)
    names = dict.fromkeys(
        form.headers for forms in requests.values() for form in forms.values() if form.headers
    )
    made = {name: headers[name].entries for name in names}
    requests, made = _spoken(requests, made)
    return Profile(
        format=1,
        client=recordings.client,
        release=recordings.release,
        recorded=_recorded(recordings),
        hosts=_hosts(recordings),
        originators=_originators(recordings, naming, vocabulary),
        shapes=shapes,
        models=models_of(recordings.samples, naming, vocabulary, shapes, catalogue),
        never=never_of(lists, vocabulary),
        headers={name: _evident(entries, headers[name]) for name, entries in made.items()},
        documents={name: _document(documents[name]) for name in _in_order(requests, documents)},
        items=rules,
        requests=requests,
    )


def _hosts(recordings: Recordings) -> tuple[str, ...]:
    return tuple(sorted({host_of(each.authority) for each in recordings.samples} - {""}))


def _in_order(
    requests: dict[str, dict[Transport, Form]], documents: dict[str, Learned]
) -> list[str]:
    """Names of documents: bodies in the order of their kinds, each followed by what it holds."""
    out: dict[str, None] = {}
    pending = [form.body for forms in requests.values() for form in forms.values() if form.body]
    while pending:
        name = pending.pop(0)
        if name in out:
            continue
        out[name] = None
        inner = [
            entry.value.document
            for entry in documents[name].entries
            if isinstance(entry.value, JsonText | Nested)
        ]
        pending = [*inner, *pending]
    return [*out, *(name for name in documents if name not in out)]


def _document(learned: Learned) -> Document:
    made = document_of(learned)
    return made.model_copy(update={"members": _evident(learned.entries, learned)})


def _evident(entries: Sequence[Entry], learned: Learned) -> tuple[Entry, ...]:
    """The entries with the names of their recordings, where these are not all of the list's."""
    by_entry = {id(each.entry): each for each in learned.evidence}
    out = []
    for entry in entries:
        evidence = by_entry.get(id(entry))
        if evidence is None:
            out.append(entry)
            continue
        update: dict[str, object] = {"seen": f"{evidence.seen}/{evidence.of}"}
        if not evidence.everywhere:
            labels = list(dict.fromkeys(label_of(name) for name in evidence.recordings))
            update["evidence"] = tuple(labels[:MOST_NAMED])
        out.append(entry.model_copy(update=update))
    return tuple(out)


def label_of(name: str) -> str:
    """A recording's name in a profile: ``turn-exec-http-chatgpt``, for all its runs."""
    return _RUN.sub("", name).partition("/")[2]


def _recorded(recordings: Recordings) -> Recorded:
    runs: dict[str, list[Trace]] = defaultdict(list)
    for trace in recordings.traces:
        runs[label_of(trace.name)].append(trace)
    tools = sorted({trace.origin.tool for trace in recordings.traces})
    systems = sorted({trace.origin.system for trace in recordings.traces} - {""})
    return Recorded.model_validate(
        {
            "with": ", ".join([*tools, *systems]),
            "on": max(trace.origin.on for trace in recordings.traces),
            "evidence": {
                label: f"{len(found)} run{'s' if len(found) > 1 else ''}, "
                f"{sum(len(trace.upstream()) for trace in found)} requests"
                for label, found in sorted(runs.items())
            },
        }
    )


def _originators(recordings: Recordings, naming: Naming, vocabulary: Vocabulary) -> dict[str, str]:
    surfaces: dict[str, set[str]] = defaultdict(set)
    for sample in recordings.samples:
        for text in naming.values.get(sample.name, {}).get("originator", {}).values():
            surfaces[text].add(sample.surface or "any surface")
    if not surfaces:
        return {recordings.client: "the client; it does not name itself"}
    return {
        name: vocabulary.originators.get(name) or f"seen from {', '.join(sorted(surfaces[name]))}"
        for name in sorted(surfaces)
    }


def _requests(
    recordings: Recordings, lists: Lists, headers: dict[str, Learned], vocabulary: Vocabulary
) -> dict[str, dict[Transport, Form]]:
    by_form: dict[tuple[str, Transport], list[Sample]] = defaultdict(list)
    for each in recordings.samples:
        if each.method is not None or (each.kind, each.transport) in lists.body:
            by_form[each.kind, each.transport].append(each)
    order = list(vocabulary.built) + [rule.kind for rule in vocabulary.kinds]
    out: dict[str, dict[Transport, Form]] = {}
    for kind, transport in sorted(
        by_form,
        key=lambda form: (
            order.index(form[0]) if form[0] in order else len(order),
            form[0],
            form[1],
        ),
    ):
        name = lists.header_list.get((kind, transport))
        random = headers[name].random if name is not None else ()
        family = [
            sample
            for (other, over), samples in by_form.items()
            if over == transport and lists.header_list.get((other, over)) == name is not None
            for sample in samples
        ]
        out.setdefault(kind, {})[transport] = form_of(
            kind,
            transport,
            by_form[kind, transport],
            family,
            lists,
            random,
            vocabulary,
            recordings.release,
        )
    return out


# --- HTTP versions -------------------------------------------------------------------------------


def _spoken(
    requests: dict[str, dict[Transport, Form]], headers: dict[str, tuple[Entry, ...]]
) -> tuple[dict[str, dict[Transport, Form]], dict[str, tuple[Entry, ...]]]:
    """Kinds that were recorded over HTTP/2 only, in the form that they have over HTTP/1.1.

    That is known where kinds were recorded over both and ``host`` is all that differs, always in
    one place: at the end, or before the length.
    """
    both = {
        form.headers for forms in requests.values() for form in forms.values() if len(form.http) > 1
    }
    hosts = [_host(headers[name]) for name in sorted(both)]
    if not hosts or any(host is None for host in hosts):
        return requests, headers
    out: dict[str, dict[Transport, Form]] = {}
    made = dict(headers)
    for kind, forms in requests.items():
        out[kind] = {}
        for transport, form in forms.items():
            if form.http == ("HTTP/2.0",):
                if form.headers not in both:
                    made[form.headers] = _with_host(headers[form.headers])
                form = form.model_copy(update={"http": ("HTTP/2.0", "HTTP/1.1")})
            out[kind][transport] = form
    return out, made


_LAST = ("content-length", "cookie")


def _host(entries: Sequence[Entry]) -> Entry | None:
    """The ``host`` entry, if it is the only one of HTTP/1.1, and in its usual place."""
    old = [entry for entry in entries if entry.when.http]
    if len(old) != 1 or old[0].name.lower() != "host":
        return None
    after = entries[entries.index(old[0]) + 1 :]
    return old[0] if all(entry.name in _LAST for entry in after) else None


def _with_host(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    place = next(
        (index for index, entry in enumerate(entries) if entry.name in _LAST), len(entries)
    )
    host = Entry(
        name="host",
        value=Text(),
        role="authority",
        presence=Presence.ALWAYS,
        when=When(http=("HTTP/1.1",)),
        reason="not recorded over HTTP/1.1; there as in every other kind",
    )
    return (*entries[:place], host, *entries[place:])
