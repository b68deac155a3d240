"""The server's own requests in a run, and the answer to each. Pure.

Blobs are read and kept, the request context is given, built-in tools and questions are refused.
Calls of the client's tools are not in here (:mod:`.run_tools`).
"""

from __future__ import annotations

from addons.providers.cursor.proto.agent_pb2 import (
    GetBlobArgs,
    GetBlobResult,
    InteractionQuery,
    KvClientMessage,
    KvError,
    KvServerMessage,
    SetBlobArgs,
    SetBlobResult,
)
from addons.providers.cursor.proto.exec_pb2 import ExecServerMessage
from addons.providers.cursor.run import run_execs, run_messages, run_queries
from addons.providers.cursor.run.run_outputs import Note, Output
from addons.providers.cursor.telling.blobs import BlobMap, BlobsFull


class ServerRequests:
    """Answers for one run.

    Args:
        blobs: what the server may ask for; what it sets is added.
        context: serialized ``RequestContext``.
        close_execs: see :func:`.run_execs.refuse`.

    Attributes:
        missing: a blob was asked for that is not here.
        refused_to_keep: a blob could not be kept, so that the state can't be continued later.
        unserved: kind of the last request that could not be answered in its own words; "" after
            one that could.
        sent: bytes of blobs that were given.
    """

    def __init__(self, blobs: BlobMap, context: bytes, *, close_execs: bool) -> None:
        self._blobs = blobs
        self._context = context
        self._close_execs = close_execs
        self.missing = False
        self.refused_to_keep = False
        self.unserved = ""
        self.sent = 0

    def kv(self, request: KvServerMessage) -> list[Output]:
        """Read or keep a blob."""
        answer = KvClientMessage(id=request.id)
        match request.WhichOneof("message"):
            case "get_blob_args":
                answer.get_blob_result.CopyFrom(self._read(request.get_blob_args))
            case "set_blob_args":
                answer.set_blob_result.CopyFrom(self._keep(request.set_blob_args))
            case _:
                self.unserved = "blob request"
        return [run_messages.kv(answer)]

    def exec(self, request: ExecServerMessage) -> list[Output]:
        """Give the request context; refuse a built-in tool."""
        close = self._close_execs
        if request.HasField("request_context_args"):
            return [*run_execs.request_context(request, self._context, close=close)]
        word = run_execs.kind(request)
        if not run_execs.has_refusal(request):
            self.unserved = word
        refusal = run_execs.refuse(request, close=close)
        return [*refusal, Note(f"the server's {word} was refused")]

    def question(self, query: InteractionQuery) -> list[Output]:
        """Refuse, for there is nobody to ask."""
        word = run_queries.kind(query)
        if not run_queries.has_refusal(query):
            self.unserved = word
        answer = run_messages.interaction(run_queries.answer(query))
        return [answer, Note(f"the server's {word} was refused")]

    def _read(self, args: GetBlobArgs) -> GetBlobResult:
        data = self._blobs.get(args.blob_id)
        if data is None:
            self.missing = True
            return GetBlobResult(error=KvError(message="There is no such blob."))
        self.sent += len(data)
        return GetBlobResult(blob_data=data)

    def _keep(self, args: SetBlobArgs) -> SetBlobResult:
        try:
            self._blobs.set(args.blob_id, args.blob_data)
        except BlobsFull as error:
            self.refused_to_keep = True
            return SetBlobResult(error=KvError(message=str(error)))
        return SetBlobResult()
