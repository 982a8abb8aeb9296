"""pycompose: Docker Compose files on a container engine of its own. This is the one package that is installed.

In a checkout ``compose``, ``engine`` and ``schemas`` are links to the folders of those names at its top; in the wheel they are
folders here. Every import goes through this package, so that neither name ever stands at the top of site-packages.
"""

__version__ = "0.2.0"
