"""The live proxy: one mitmproxy addon class per file, logic beside it.

Where things are, in the order in which a request meets them:

- ``floway.py``: the script for ``mitmdump -s``; puts the parts together. ``lean.py``: what it does
  not load.
- ``configuration.py``, ``settings.py``, ``settings_layers.py``: options and settings.
- ``launch.py``: start and stop of store, sandbox and providers.
- ``gateway.py``: mitmproxy's hooks: routes, keys, the request's way in and the answer's way out.
- ``front/``: client protocols: parse a request, render events and errors.
- ``exchange.py``: what is known of one client request; ``choice.py``: which provider plans it;
  ``attempts.py``: its attempts.
- ``providers/``: the contract, and one package for each upstream family.
- ``accounts/``: the pool: which account serves, which one cools.
- ``stream.py``: the one room that knows mitmproxy's HTTP layer. Its parts: ``driver.py`` (who
  decides about a flow), ``intake.py`` (the client's half), ``sending.py`` (the upstream's half),
  ``deadlines.py`` (how long is waited), ``tunnel.py`` (WebSocket), ``production.py`` (bodies that
  are made while they are sent).
- ``quick/``: what mitmproxy does with every request, in fewer steps.
- ``relay.py``: a committed answer on its way to the client, chunk by chunk; ``generation.py``: an
  answer that a provider makes itself.
- ``verbatim.py``: requests of floway's own whose headers go as they are given.
- ``operate/``: the control API, the metrics and the log. Their edges: ``control.py`` (answers
  before the gateway sees a request), ``measuring.py`` and ``logbook.py`` (look on after it).
- ``store/``: what outlives the process; ``debug/``: what is shown in mitmweb and the console, and
  what is recorded (traces, timelines).
"""
