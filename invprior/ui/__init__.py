"""A local page to restore images: `invprior ui`.

It solves by the public functions alone. Its forms are made from the registry, so plugins of any package are in them.
Only `page`, its `parts` and `panel`, and `server` import NiceGUI, which is the extra `ui`.
"""
