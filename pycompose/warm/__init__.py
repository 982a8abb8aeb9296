"""A process that stays for a while with everything imported, so that the next commands need not start anew."""
