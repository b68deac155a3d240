"""The Cursor side of the sandbox: its agent service, its accounts, its calls.

================  =================================================================================
``app``           which requests are Cursor's; faults and credentials come first
``calls``         what is answered at once: sign-in, models, configuration, usage
``service``       a run from its headers to its end, over both transports (``channels``)
``link``          a run's messages: few writes out, answers in, by what was asked
``prompt``        a run request checked, and its prompt fetched from the client's blobs
``run``           the agent's turn: what the scripted model says, in the service's order
``history``       chat messages, and the items that the model reads (``flattened``: told as text)
``state``         checkpoints: sealed for an account and a conversation
``prompting``     directives for built-in tools and questions; ``noise``: what nobody needs
``failures``      how the service fails, by name; ``faults``, ``trouble``: on demand
``accounts``      made-up accounts; ``logins``: sign-ins under way; ``models``: what they may use
``side``          what handlers share; ``control``: what people see and steer of it
``decoding``      recorded messages as JSON
================  =================================================================================
"""
