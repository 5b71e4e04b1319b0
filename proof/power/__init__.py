"""Power loss: what a broker has promised when the power goes, held against what it finds when that comes back."""
