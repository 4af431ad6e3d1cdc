"""Views of the stimuli of any dataset: embeddings, descriptions, contact sheets, and images of demo pages."""
