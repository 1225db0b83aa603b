"""Where code of a submission runs: apart from the host, within limits, ended as a whole."""
