"""Messages of Cursor's agent service.

The ``.proto`` files are ours and hold what is used; ``*_pb2.py`` and ``*_pb2.pyi`` are made from
them by :mod:`addons.providers.cursor.proto.generate` and checked in.

====================  =============================================================================
``agent_pb2``         envelopes, run request, conversation state, updates, blobs, queries, models
``exec_pb2``          the exec channel with the refusals of the built-in tools, request context
``mcp_pb2``           tools of the client, their calls and results
``aiserver_pb2``      appended messages, error details, model list, configuration, usage
====================  =============================================================================
"""
