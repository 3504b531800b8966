"""Kept until the plugins import `invprior.registry.objects`."""

from invprior.registry.objects import object_named as object_named
