"""Single lessons use these: checks of the exercises, small experiments, the clinic's cases, and their figures."""
