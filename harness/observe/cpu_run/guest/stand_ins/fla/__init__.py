"""The modules of flash-linear-attention (`fla`) that compute delta rules, as their users import them.

Signatures and names of parameters: fla-core 0.4 to 0.6 (https://github.com/fla-org/flash-linear-attention). Layers that
are not here can be imported and are refused where they are used.
"""
