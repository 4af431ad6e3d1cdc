"""Training of the models: the demo models, BriVL at any size, and text-aligned encoders."""
