"""What a person, a script or a monitor does with a running floway: control API and metrics.

Provider-neutral, and free of mitmproxy. A request to ``/floway/api/v1/…`` or ``/metrics`` comes
from ``addons/control.py``, the edge, and meets these modules:

- ``gate.py``: may this caller ask at all? ``token.py``: the API's bearer token.
- ``api.py``: paths, methods and the OpenAPI document; ``models.py``: the forms of what is said.
- ``roster.py``: which accounts there are, ``account_view.py``: how they are, ``desk.py``: what is
  done with them; also for a command line that works without a running floway.
- ``signins.py``: logins that a person is in the middle of.
- ``plane.py``: all that the API answers about a running floway, besides accounts.
- ``conversations.py``: sessions as JSON.
- ``metrics.py``, ``observer.py``: what is counted, and when; ``exposition.py``: what is read when
  Prometheus asks.
- ``contract.py``: what a provider shows of itself; ``running.py``: how a command finds the process.
"""

from typing import Final

PREFIX: Final = "/floway/api/v1"
"""Of the control API's paths."""

METRICS_PATH: Final = "/metrics"
