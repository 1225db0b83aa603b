"""Rules by family: one module a family, one small class a rule."""
