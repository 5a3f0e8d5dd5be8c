"""Pages to look at: one self-contained HTML file each, from facts that other rooms found."""
