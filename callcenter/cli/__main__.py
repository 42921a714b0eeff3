"""`python -m callcenter.cli`: the same as `aduan24`."""

from callcenter.cli import main

main()
