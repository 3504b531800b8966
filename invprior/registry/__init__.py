"""The registry: find plugins, read their options, and make them from specs."""

from invprior.registry.lookup import CORE as CORE
from invprior.registry.lookup import GROUPS as GROUPS
from invprior.registry.lookup import Entry as Entry
from invprior.registry.lookup import crashed as crashed
from invprior.registry.lookup import create as create
from invprior.registry.lookup import describe as describe
from invprior.registry.lookup import entries as entries
from invprior.registry.lookup import entry_of as entry_of
from invprior.registry.lookup import find as find
from invprior.registry.lookup import load as load
from invprior.registry.lookup import summary as summary
