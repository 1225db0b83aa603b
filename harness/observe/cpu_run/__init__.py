"""The run of a submission on a CPU: plan, inputs, sandbox, observations."""
