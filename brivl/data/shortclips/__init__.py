"""shortclips (Huth et al. 2012): reading the published files, and simulated files in the same form."""
