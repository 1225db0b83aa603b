"""Experiments on the run of a submission: what moves when the validation stream is changed."""
