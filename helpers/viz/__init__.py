"""Pictures: tensors, masks, curves and photos, the view of a run, sliders, and the one palette they share."""
