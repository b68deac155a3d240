"""What floway remembers: see :mod:`addons.store.contract`."""
