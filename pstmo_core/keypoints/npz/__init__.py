"""Reading and writing npz files whose content or size nobody vouches for."""
