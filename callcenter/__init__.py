"""aduan24: the back end of a regency's 24-hour complaint hotline."""
