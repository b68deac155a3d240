"""Cursor: accounts of Cursor behind the clients' own protocols.

Where things are, in the order in which a request meets them:

- ``provider.py``, ``routes.py``: the facade, and what it serves; ``work.py``: what is loaded when
  there is something to do; ``runs.py``, ``serving.py``, ``judging.py``, ``progress.py``: the
  attempts of one request; ``models.py``,
  ``model_choice.py``: models; ``limits.py``, ``metering.py``: what was used; ``upstream.py``: the
  way to Cursor.
- ``telling/``: what is said to Cursor. ``reading.py``, ``history.py``, ``conversation.py``,
  ``images.py``: what the client said, and in which conversation; ``continued.py``,
  ``demands.py``, ``preferences.py``: what its protocol and the settings ask for besides;
  ``checkpoints.py``, ``checkpoint_records.py``, ``coverage.py``, ``state.py``: the state that a
  run begins with; ``transcript.py``, ``flattening.py``, ``trimming.py``, ``pairing.py``: the
  history told anew; ``tools.py``, ``schemas.py``, ``request.py``: the first message.
- ``run/``: ``run.py`` and ``run_*.py``: the run as a machine; ``session.py``: with a clock and a
  stream; ``parking.py``: runs that wait for tool results; ``events.py``, ``event_items.py``,
  ``usage_counts.py``: what the client is given.
- ``wire/``: ``client_identity.py``: headers; ``discovery.py``, ``endpoint.py``: hosts;
  ``channel.py``: a run's stream, over HTTP/2 (``connections.py``, ``connection.py``,
  ``stream.py``, ``http2.py``) or in many requests (``bidi.py``); ``connect.py``, ``answer.py``:
  messages; ``unary.py``, ``http_clients.py``: all other calls.
- ``failures/``: ``errors.py``, ``error_details.py``: what can go wrong; ``diagnosis.py``: what it
  is about; ``classification.py``: what follows; ``unfamiliar.py``: what nobody knows yet.
- ``sign_in/``: ``roster.py``, ``authority.py``, ``login.py``, ``credentials.py``, ``usage.py``.
- ``official/``: official clients, passed on and looked at.
- ``lens.py``, ``lens_text.py``: what mitmweb shows; ``proto/``: the messages.
"""
