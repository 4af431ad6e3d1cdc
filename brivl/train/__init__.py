"""Training of the models: the small proxy models, BriVL at any size, and text-aligned encoders."""
