"""Examples become documents, documents become batches: templates, masks, the proof, packing."""
