__version__ = "0.1.0"

from reflection_connection.moved import install as _install

_install()
